//! The contract as the generators of SDKs see it: what a world imports and exports, in plain words.
//!
//! wit-bindgen makes bindings; on top of them the SDKs of C++ and Go have types of their own, with that
//! language's strings, lists and options. Those are generated too, so that they never lag behind the
//! contract: [`cpp`] and [`go`] write them from a [`Contract`].

pub(super) mod cpp;
pub(super) mod go;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::{
    Function as WitFunction, InterfaceId, PackageId, Resolve, Type, TypeDefKind, TypeId, TypeOwner,
    WorldId, WorldItem,
};
use wit_bindgen_core::{Files, WorldGenerator};

use super::BuildError;

/// What a world has to do with.
#[derive(Debug)]
pub(super) struct Contract {
    /// Each after those that it uses.
    pub(super) interfaces: Vec<Interface>,
    /// The functions that a strategy exports.
    pub(super) exports: Vec<Function>,
}

/// An interface.
#[derive(Debug)]
pub(super) struct Interface {
    /// As in the contract, such as `delegation`.
    pub(super) name: String,
    /// With package and version, such as `adjutant:agent/delegation@0.1.0`.
    pub(super) id: String,
    pub(super) docs: Option<String>,
    /// The types that it defines, each after those that it is made of.
    pub(super) types: Vec<Named>,
    /// The types that it takes from others: their name, and the other's.
    pub(super) uses: Vec<(String, String)>,
    pub(super) functions: Vec<Function>,
}

/// A type with a name.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) docs: Option<String>,
    pub(super) shape: Shape,
}

/// What a named type is.
#[derive(Debug)]
pub(super) enum Shape {
    Record(Vec<Part<Ty>>),
    /// Cases, some with a value.
    Variant(Vec<Part<Option<Ty>>>),
}

/// A field, or a case.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub(super) name: String,
    pub(super) docs: Option<String>,
    pub(super) ty: T,
}

/// A type where it is used.
#[derive(Debug)]
pub(super) enum Ty {
    Bool,
    U8,
    U32,
    S32,
    U64,
    String,
    List(Box<Ty>),
    Option(Box<Ty>),
    Named { interface: String, name: String },
}

/// A function that answers `result<ok, err>`.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) docs: Option<String>,
    pub(super) params: Vec<(String, Ty)>,
    /// None for `result<_, err>`.
    pub(super) ok: Option<Ty>,
    pub(super) err: Ty,
}

/// The contract, read.
pub(super) struct Wit {
    resolve: Resolve,
    world: WorldId,
}

impl Wit {
    /// Reads the folder's WIT and takes one of its worlds.
    pub(super) fn read(folder: &Path, world: &str) -> Result<Self, BuildError> {
        let unusable = |error: &dyn std::fmt::Display| {
            BuildError::Refused(format!(
                "The contract in {} cannot be used: {error:#}",
                folder.display()
            ))
        };
        let mut resolve = Resolve::default();
        let (package, _): (PackageId, _) =
            resolve.push_dir(folder).map_err(|error| unusable(&error))?;
        let world = resolve
            .select_world(&[package], Some(world))
            .map_err(|error| unusable(&error))?;
        Ok(Wit { resolve, world })
    }

    /// The contract in plain words.
    pub(super) fn contract(&self) -> Result<Contract, BuildError> {
        let world = &self.resolve.worlds[self.world];
        let mut interfaces = Vec::new();
        for item in world.imports.values() {
            if let WorldItem::Interface { id, .. } = item {
                interfaces.push(self.interface(*id)?);
            }
        }
        let mut exports = Vec::new();
        for item in world.exports.values() {
            if let WorldItem::Function(function) = item {
                exports.push(self.function(function)?);
            }
        }
        Ok(Contract {
            interfaces,
            exports,
        })
    }

    /// Has wit-bindgen generate; the files by name.
    pub(super) fn generate(
        mut self,
        mut generator: Box<dyn WorldGenerator>,
    ) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
        let mut files = Files::default();
        generator
            .generate(&mut self.resolve, self.world, &mut files)
            .map_err(|error| {
                BuildError::Refused(format!("No bindings could be generated: {error:#}"))
            })?;
        Ok(files
            .iter()
            .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
            .collect())
    }

    fn interface(&self, id: InterfaceId) -> Result<Interface, BuildError> {
        let interface = &self.resolve.interfaces[id];
        let mut types = Vec::new();
        let mut uses = Vec::new();
        for (name, type_id) in &interface.types {
            match &self.resolve.types[*type_id].kind {
                TypeDefKind::Type(Type::Id(original)) => {
                    uses.push((name.clone(), self.owner(self.origin(*original))?));
                }
                _ => types.push(self.named(name, *type_id)?),
            }
        }
        Ok(Interface {
            name: interface.name.clone().unwrap_or_default(),
            id: self.resolve.id_of(id).unwrap_or_default(),
            docs: interface.docs.contents.clone(),
            types,
            uses,
            functions: interface
                .functions
                .values()
                .map(|function| self.function(function))
                .collect::<Result<_, _>>()?,
        })
    }

    fn named(&self, name: &str, id: TypeId) -> Result<Named, BuildError> {
        let definition = &self.resolve.types[id];
        let shape = match &definition.kind {
            TypeDefKind::Record(record) => Shape::Record(
                record
                    .fields
                    .iter()
                    .map(|field| {
                        Ok(Part {
                            name: field.name.clone(),
                            docs: field.docs.contents.clone(),
                            ty: self.ty(&field.ty)?,
                        })
                    })
                    .collect::<Result<_, BuildError>>()?,
            ),
            TypeDefKind::Variant(variant) => Shape::Variant(
                variant
                    .cases
                    .iter()
                    .map(|case| {
                        Ok(Part {
                            name: case.name.clone(),
                            docs: case.docs.contents.clone(),
                            ty: case.ty.as_ref().map(|ty| self.ty(ty)).transpose()?,
                        })
                    })
                    .collect::<Result<_, BuildError>>()?,
            ),
            other => return Err(unknown(other.as_str())),
        };
        Ok(Named {
            name: name.to_owned(),
            docs: definition.docs.contents.clone(),
            shape,
        })
    }

    fn function(&self, function: &WitFunction) -> Result<Function, BuildError> {
        let Some(Type::Id(id)) = function.result else {
            return Err(unknown("function without a result"));
        };
        let TypeDefKind::Result(result) = &self.resolve.types[id].kind else {
            return Err(unknown("function without a result"));
        };
        let err = result
            .err
            .as_ref()
            .ok_or_else(|| unknown("result without an error"))?;
        Ok(Function {
            name: function.name.clone(),
            docs: function.docs.contents.clone(),
            params: function
                .params
                .iter()
                .map(|param| Ok((param.name.clone(), self.ty(&param.ty)?)))
                .collect::<Result<_, BuildError>>()?,
            ok: result.ok.as_ref().map(|ty| self.ty(ty)).transpose()?,
            err: self.ty(err)?,
        })
    }

    fn ty(&self, ty: &Type) -> Result<Ty, BuildError> {
        Ok(match ty {
            Type::Bool => Ty::Bool,
            Type::U8 => Ty::U8,
            Type::U32 => Ty::U32,
            Type::S32 => Ty::S32,
            Type::U64 => Ty::U64,
            Type::String => Ty::String,
            Type::Id(id) => {
                let id = self.origin(*id);
                let definition = &self.resolve.types[id];
                match &definition.kind {
                    TypeDefKind::List(of) => Ty::List(Box::new(self.ty(of)?)),
                    TypeDefKind::Option(of) => Ty::Option(Box::new(self.ty(of)?)),
                    TypeDefKind::Record(_) | TypeDefKind::Variant(_) => Ty::Named {
                        interface: self.owner(id)?,
                        name: definition.name.clone().unwrap_or_default(),
                    },
                    other => return Err(unknown(other.as_str())),
                }
            }
            other => return Err(unknown(&format!("{other:?}"))),
        })
    }

    /// What a chain of aliases leads to.
    fn origin(&self, mut id: TypeId) -> TypeId {
        while let TypeDefKind::Type(Type::Id(next)) = &self.resolve.types[id].kind {
            id = *next;
        }
        id
    }

    fn owner(&self, id: TypeId) -> Result<String, BuildError> {
        match self.resolve.types[id].owner {
            TypeOwner::Interface(interface) => self.resolve.interfaces[interface].name.clone(),
            TypeOwner::World(_) | TypeOwner::None => None,
        }
        .ok_or_else(|| unknown("type outside of an interface"))
    }
}

/// The contract has something that the generators have no word for: a fault of the binary, which the
/// tests of all worlds would have shown.
fn unknown(what: &str) -> BuildError {
    BuildError::Refused(format!(
        "The contract has a {what}, which this adjutant cannot write for C++ and Go."
    ))
}

/// Documentation as comment lines with an indentation.
fn comment(out: &mut String, indent: &str, mark: &str, docs: Option<&String>) {
    for line in docs.into_iter().flat_map(|docs| docs.trim().lines()) {
        let line = format!("{mark} {}", line.trim_end());
        let _ = writeln!(out, "{indent}{}", line.trim_end());
    }
}

/// Writes files into a folder and removes whatever else is there. A file that is the same already keeps
/// its time, so that tools do not build again.
pub(super) fn put_all(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), BuildError> {
    for (name, bytes) in files {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|there| there == *bytes) {
            continue;
        }
        super::make_dir(path.parent().unwrap_or(folder))?;
        fs::write(&path, bytes).map_err(super::unwritable(&path))?;
    }
    for path in files_below(folder) {
        let ours = path.strip_prefix(folder).is_ok_and(|inside| {
            let inside = inside.to_string_lossy().replace('\\', "/");
            files.iter().any(|(name, _)| *name == inside)
        });
        if !ours {
            fs::remove_file(&path).map_err(super::unwritable(&path))?;
        }
    }
    Ok(())
}

/// All files below a folder, in order; what cannot be read is left out.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

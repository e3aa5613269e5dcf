//! The generated part of the SDK for JavaScript: each type's codec and each interface's functions, with
//! their types for TypeScript, from the contract's WIT.
//!
//! The rules, the same for all of it: names are in camel case; an option is a field that may be missing;
//! a case without a payload is its name, any other an object with that one field; JSON as text in
//! `NAME-json` is beside it a value, `NAME`; of a function's parameters those that are options are the
//! last argument's fields; an error is thrown.

mod functions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use wit_parser::{Docs, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId};

const MARK: &str = "// Generated from the contract's WIT. Do not edit.\n";

/// What lets a bundler leave out a constant that nobody uses.
const PURE: &str = "/* @__PURE__ */ ";

/// What a strategy may leave out, beside options, and what then holds.
const DEFAULTS: [(&str, &str, &str); 15] = [
    ("assignment", "description", r#""""#),
    ("assignment", "notes", r#""""#),
    ("assignment", "permissive", "false"),
    ("assignment", "priority", r#""medium""#),
    ("assignment", "blocked-by", "[]"),
    ("assignment", "on-blocker-failure", r#""fail""#),
    ("draft", "description", r#""""#),
    ("plan-phase", "depends-on", "[]"),
    ("plan-phase", "parallel", "true"),
    ("plan-task", "blocked-by", "[]"),
    ("plan-task", "priority", r#""medium""#),
    ("plan-task", "suggested-class", r#""""#),
    ("retry", "backoff-ms", "1000"),
    ("retry", "max-backoff-ms", "60000"),
    ("work-plan", "description", r#""""#),
];
/// Types that are classes of the SDK's own.
const OWN: [&str; 2] = ["error", "failure"];
/// A getter that tasks have in addition.
const TASK_TEXT: &str =
    "What is to be done: the ticket's description, or its title where that is empty.";

/// All generated files, by name.
pub(super) fn generate(wit: &Path) -> BTreeMap<String, String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).expect("the contract's WIT is well");
    let interfaces: Vec<&Interface> = resolve.packages[package]
        .interfaces
        .values()
        .map(|id| &resolve.interfaces[*id])
        .collect();
    let out = Out {
        resolve: &resolve,
        lowered: lowered(&resolve, &interfaces),
    };
    let mut files = BTreeMap::new();
    let (js, dts) = out.types(&interfaces);
    files.insert("types.js".to_owned(), js);
    files.insert("types.d.ts".to_owned(), dts);
    for interface in interfaces {
        if !interface.functions.is_empty() {
            let (js, dts) = out.functions(interface);
            let name = interface.name.as_ref().expect("a named interface");
            files.insert(format!("{name}.js"), js);
            files.insert(format!("{name}.d.ts"), dts);
        }
    }
    for (record, field, _) in DEFAULTS {
        assert!(
            resolve.types.iter().any(|(_, def)| matches!(
                &def.kind,
                TypeDefKind::Record(it) if def.name.as_deref() == Some(record)
                    && it.fields.iter().any(|one| one.name == field)
            )),
            "the contract has no {record}.{field}, which has a default"
        );
    }
    files
}

/// The types that strategies hand to the host.
fn lowered(resolve: &Resolve, interfaces: &[&Interface]) -> BTreeSet<TypeId> {
    let mut found = BTreeSet::new();
    for function in interfaces.iter().flat_map(|it| it.functions.values()) {
        for param in &function.params {
            reach(resolve, &param.ty, &mut found);
        }
    }
    for (_, def) in &resolve.types {
        // What worlds' exports answer.
        if matches!(def.name.as_deref(), Some("report" | "failure" | "choice"))
            && matches!(def.kind, TypeDefKind::Record(_))
        {
            for field in record_fields(def) {
                reach(resolve, &field.ty, &mut found);
            }
            found.insert(id_of(resolve, def));
        }
    }
    found
}

fn id_of(resolve: &Resolve, def: &TypeDef) -> TypeId {
    let mut ids = resolve
        .types
        .iter()
        .filter(|(_, it)| std::ptr::eq(*it, def));
    ids.next().expect("it is one of them").0
}

fn record_fields(def: &TypeDef) -> &[wit_parser::Field] {
    match &def.kind {
        TypeDefKind::Record(record) => &record.fields,
        _ => &[],
    }
}

fn reach(resolve: &Resolve, ty: &Type, found: &mut BTreeSet<TypeId>) {
    let Type::Id(id) = ty else { return };
    if !found.insert(*id) {
        return;
    }
    match &resolve.types[*id].kind {
        TypeDefKind::Record(record) => {
            for field in &record.fields {
                reach(resolve, &field.ty, found);
            }
        }
        TypeDefKind::Variant(variant) => {
            for ty in variant.cases.iter().filter_map(|case| case.ty.as_ref()) {
                reach(resolve, ty, found);
            }
        }
        TypeDefKind::Option(ty) | TypeDefKind::List(ty) | TypeDefKind::Type(ty) => {
            reach(resolve, ty, found);
        }
        _ => {}
    }
}

struct Out<'a> {
    resolve: &'a Resolve,
    lowered: BTreeSet<TypeId>,
}

impl Out<'_> {
    /// Every type of every interface. Their names are unique in the contract.
    fn types(&self, interfaces: &[&Interface]) -> (String, String) {
        let mut todo: Vec<TypeId> = interfaces
            .iter()
            .flat_map(|it| it.types.values().copied())
            .filter(|id| !matches!(self.resolve.types[*id].kind, TypeDefKind::Type(_)))
            .collect();
        let mut names = BTreeSet::new();
        for id in &todo {
            let name = self.name(*id);
            assert!(names.insert(name.clone()), "two types are called {name}");
        }
        // A codec is a constant, so what it is made of stands before it.
        let mut done = BTreeSet::new();
        let mut js = format!("{MARK}\nimport * as codec from \"../codec.js\";\n");
        let mut dts = MARK.to_owned();
        while !todo.is_empty() {
            let (ready, later): (Vec<_>, Vec<_>) = todo
                .iter()
                .partition(|id| self.needs(**id).is_subset(&done));
            assert!(!ready.is_empty(), "types in a circle");
            for id in ready {
                self.ty(id, &mut js, &mut dts);
                done.insert(id);
            }
            todo = later;
        }
        (js.replace("types.", ""), dts)
    }

    fn needs(&self, id: TypeId) -> BTreeSet<TypeId> {
        let mut found = BTreeSet::new();
        reach(self.resolve, &Type::Id(id), &mut found);
        found.remove(&id);
        let named = |id: &TypeId| {
            let def = &self.resolve.types[*id];
            def.name.is_some() && !matches!(def.kind, TypeDefKind::Type(_))
        };
        found.into_iter().filter(named).collect()
    }

    fn ty(&self, id: TypeId, js: &mut String, dts: &mut String) {
        let def = &self.resolve.types[id];
        let name = self.name(id);
        let own = OWN.contains(&def.name.as_deref().unwrap_or_default());
        match &def.kind {
            TypeDefKind::Record(_) => {
                self.record_codec(def, &name, js);
                if !own {
                    self.record_type(id, &name, dts);
                }
            }
            TypeDefKind::Variant(variant) => {
                // The SDK makes exceptions of errors itself.
                if own {
                    return;
                }
                write!(js, "\nexport const {name} = {PURE}codec.variant({{\n").expect("text");
                write!(dts, "\n{}export type {name} =", docs(&def.docs, "")).expect("text");
                for case in &variant.cases {
                    let payload = case.ty.as_ref().map(|ty| self.codec(ty));
                    let payload = payload.as_deref().unwrap_or("null");
                    writeln!(js, "  \"{}\": {payload},", case.name).expect("text");
                    let shape = match &case.ty {
                        None => format!("\"{}\"", case.name),
                        Some(ty) => format!("{{ {}: {} }}", key(&case.name), self.ts(ty)),
                    };
                    let told = docs(&case.docs, "  ");
                    write!(dts, "\n{told}  | {shape}").expect("text");
                }
                js.push_str("});\n");
                dts.push_str(";\n");
            }
            other => panic!("the contract has a {other:?} now: say what it is in JavaScript"),
        }
    }

    fn record_codec(&self, def: &TypeDef, name: &str, js: &mut String) {
        write!(
            js,
            "\nexport const {name} = {PURE}codec.record(\"{name}\", {{\n"
        )
        .expect("text");
        for field in record_fields(def) {
            let codec = self.codec(&field.ty);
            let codec = match (json_name(&field.name), default(def, &field.name)) {
                (Some(value), _) => format!("{PURE}codec.json(\"{value}\")"),
                (None, Some(value)) => format!("{PURE}codec.field({codec}, {value})"),
                (None, None) => codec,
            };
            writeln!(js, "  {}: {codec},", camel(&field.name)).expect("text");
        }
        js.push_str(if name == "Task" {
            "}, {\n  get text() {\n    return this.ticket.description.trim() || this.ticket.title.trim();\n  },\n});\n"
        } else {
            "});\n"
        });
    }

    fn record_type(&self, id: TypeId, name: &str, dts: &mut String) {
        let def = &self.resolve.types[id];
        let fields = record_fields(def);
        let generic = if fields.iter().any(|field| field.name == "config-json") {
            "<Config = any>"
        } else {
            ""
        };
        let told = docs(&def.docs, "");
        writeln!(dts, "\n{told}export interface {name}{generic} {{").expect("text");
        for field in fields {
            let given = self.lowered.contains(&id);
            let (ty, optional) = match self.optional(&field.ty) {
                Some(inner) => (inner, true),
                None => (&field.ty, false),
            };
            let default = default(def, &field.name);
            let mut text = field.docs.contents.clone().unwrap_or_default();
            if let Some(value) = default.filter(|value| !matches!(*value, "[]" | r#""""#)) {
                let line = format!("`{}` unless given.", value.trim_matches('"'));
                text = [text.trim(), &line].join("\n").trim().to_owned();
            }
            let told = docs(
                &Docs {
                    contents: Some(text.clone()),
                },
                "  ",
            );
            if let Some(value) = json_name(&field.name) {
                let ty = match (given, value.as_str()) {
                    (true, _) => "unknown",
                    (false, "config") => "Config",
                    (false, _) => "any",
                };
                let (read, mark) = if given { ("", "?") } else { ("readonly ", "") };
                writeln!(dts, "{told}  {read}{value}{mark}: {ty};").expect("text");
                let line = if given {
                    format!("The same as JSON, instead of `{value}`.")
                } else {
                    format!("`{value}` as JSON.")
                };
                let mark = if optional { "?" } else { "" };
                write!(
                    dts,
                    "  /** {line} */\n  {}{mark}: string;\n",
                    camel(&field.name)
                )
                .expect("text");
                continue;
            }
            let mark = if optional || default.is_some() {
                "?"
            } else {
                ""
            };
            let ty = self.ts(ty);
            writeln!(dts, "{told}  {}{mark}: {ty};", camel(&field.name)).expect("text");
        }
        if name == "Task" {
            write!(dts, "  /** {TASK_TEXT} */\n  readonly text: string;\n").expect("text");
        }
        dts.push_str("}\n");
    }

    fn optional(&self, ty: &Type) -> Option<&Type> {
        match ty {
            Type::Id(id) => match &self.resolve.types[*id].kind {
                TypeDefKind::Option(inner) => Some(inner),
                _ => None,
            },
            _ => None,
        }
    }

    /// The expression of a type's codec.
    fn codec(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "codec.bool".to_owned(),
            Type::String => "codec.string".to_owned(),
            Type::U32 => "codec.u32".to_owned(),
            Type::S32 => "codec.s32".to_owned(),
            Type::U64 => "codec.u64".to_owned(),
            Type::Id(id) => match &self.resolve.types[*id].kind {
                TypeDefKind::Option(inner) => {
                    format!("{PURE}codec.option({})", self.codec(inner))
                }
                TypeDefKind::List(Type::U8) => "codec.bytes".to_owned(),
                TypeDefKind::List(inner) => format!("{PURE}codec.list({})", self.codec(inner)),
                TypeDefKind::Type(inner) => self.codec(inner),
                _ => format!("types.{}", self.name(*id)),
            },
            other => panic!("the contract has a {other:?} now: say what it is in JavaScript"),
        }
    }

    fn ts(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "boolean".to_owned(),
            Type::String => "string".to_owned(),
            Type::U32 | Type::S32 | Type::U64 => "number".to_owned(),
            Type::Id(id) => match &self.resolve.types[*id].kind {
                TypeDefKind::List(Type::U8) => "Uint8Array".to_owned(),
                TypeDefKind::List(inner) => format!("{}[]", self.ts(inner)),
                TypeDefKind::Type(inner) => self.ts(inner),
                _ => self.name(*id),
            },
            other => panic!("the contract has a {other:?} now: say what it is in TypeScript"),
        }
    }

    fn name(&self, id: TypeId) -> String {
        let name = self.resolve.types[id]
            .name
            .as_deref()
            .expect("a named type");
        let mut camel = camel(name);
        camel[..1].make_ascii_uppercase();
        camel
    }
}

/// The name of the value that a field or parameter is the JSON of.
fn json_name(name: &str) -> Option<String> {
    name.strip_suffix("-json").map(camel)
}

fn default(def: &TypeDef, field: &str) -> Option<&'static str> {
    let record = def.name.as_deref()?;
    DEFAULTS
        .iter()
        .find(|it| (it.0, it.1) == (record, field))
        .map(|it| it.2)
}

fn camel(name: &str) -> String {
    let mut parts = name.split('-');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut part = part.to_owned();
        part[..1].make_ascii_uppercase();
        out.push_str(&part);
    }
    out
}

fn key(name: &str) -> String {
    if name.contains('-') {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

fn docs(docs: &Docs, indent: &str) -> String {
    let Some(text) = docs
        .contents
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
    else {
        return String::new();
    };
    if !text.contains('\n') {
        return format!("{indent}/** {text} */\n");
    }
    let mut out = format!("{indent}/**\n");
    for line in text.lines() {
        out.push_str(format!("{indent} * {line}").trim_end());
        out.push('\n');
    }
    out.push_str(&format!("{indent} */\n"));
    out
}

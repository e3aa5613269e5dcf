//! Each interface's functions.

use super::{MARK, Out, PURE, camel, docs, json_name};
use std::fmt::Write as _;
use wit_parser::{Function, Interface, Param, Type, TypeDefKind};

impl Out<'_> {
    /// An interface's functions, and their types.
    pub(super) fn functions(&self, interface: &Interface) -> (String, String) {
        let name = interface.name.as_deref().expect("a named interface");
        let mut body = String::new();
        let mut types = String::new();
        for function in interface.functions.values() {
            let signature = Signature {
                out: self,
                interface: name,
                function,
                text: false,
            };
            signature.write(&mut body, &mut types);
            if function
                .params
                .iter()
                .any(|it| json_name(&it.name).is_some())
            {
                Signature {
                    text: true,
                    ..signature
                }
                .write(&mut body, &mut types);
            }
        }
        let uses = |text: &str, word: &str| {
            let words = |c: char| !c.is_alphanumeric() && c != '_';
            text.split(words).any(|it| it == word)
        };
        let version = self.version();
        let mut js = format!(
            "{MARK}\nimport raw from \"adjutant:agent/{name}@{version}\";\n\
             import * as codec from \"../codec.js\";\nimport {{ host }} from \"../errors.js\";\n"
        );
        if uses(&body, "types") {
            js.push_str("import * as types from \"./types.js\";\n");
        }
        // What is called is not left out, pure or not.
        js.push_str(&body.replace(PURE, ""));
        let names = self.resolve.types.iter().map(|(id, _)| id);
        let mut names: Vec<String> = names
            .filter(|id| self.resolve.types[*id].name.is_some())
            .map(|id| self.name(id))
            .filter(|it| uses(&types, it))
            .collect();
        names.sort();
        names.dedup();
        let mut dts = MARK.to_owned();
        if !names.is_empty() {
            let names = names.join(", ");
            writeln!(dts, "\nimport type {{ {names} }} from \"./types.js\";").expect("text");
        }
        dts.push_str(&types);
        (js, dts)
    }

    fn version(&self) -> String {
        let (_, package) = self.resolve.packages.iter().next().expect("one package");
        let version = package.name.version.as_ref();
        version.expect("it has a version").to_string()
    }
}

struct Signature<'a> {
    out: &'a Out<'a>,
    interface: &'a str,
    function: &'a Function,
    /// Whether JSON is given as text: another function, whose name ends in `Json`.
    text: bool,
}

impl Signature<'_> {
    fn write(&self, js: &mut String, dts: &mut String) {
        let name = self.name();
        let call = format!("{}.{name}", self.interface);
        let params = &self.function.params;
        let optional: Vec<_> = params
            .iter()
            .filter(|it| self.out.optional(&it.ty).is_some())
            .collect();
        let required = params
            .iter()
            .filter(|it| self.out.optional(&it.ty).is_none());
        let required: Vec<_> = required.collect();
        let mut names: Vec<_> = required.iter().map(|it| self.param(it)).collect();
        let mut typed: Vec<_> = required
            .iter()
            .map(|it| format!("{}: {}", self.param(it), self.given(it)))
            .collect();
        let mut first = String::new();
        if !optional.is_empty() {
            let keys: Vec<_> = optional.iter().map(|it| camel(&it.name)).collect();
            let quoted: Vec<_> = keys.iter().map(|it| format!("\"{it}\"")).collect();
            let (keys, quoted) = (keys.join(", "), quoted.join(", "));
            first =
                format!("  const {{ {keys} }} = codec.options(\"{call}\", given, [{quoted}]);\n");
            names.push("given".to_owned());
            let fields: Vec<_> = optional
                .iter()
                .map(|it| format!("{}?: {}", camel(&it.name), self.given(it)))
                .collect();
            typed.push(format!("options?: {{ {} }}", fields.join("; ")));
        }
        let answer = self.answer();
        let told = if self.text {
            format!(
                "/** The same with JSON as text. See {{@link {}}}. */\n",
                camel(&self.function.name)
            )
        } else {
            docs(&self.function.docs, "")
        };
        let returns = answer.map_or_else(
            || "void".to_owned(),
            |ty| match self.out.optional(&ty) {
                Some(inner) => format!("{} | undefined", self.out.ts(inner)),
                None => self.out.ts(&ty),
            },
        );
        let typed = typed.join(", ");
        writeln!(dts, "\n{told}export function {name}({typed}): {returns};").expect("text");
        let names = names.join(", ");
        writeln!(
            js,
            "\nexport function {name}({names}) {{\n{first}{}}}",
            self.body(&call, answer)
        )
        .expect("text");
    }

    fn body(&self, call: &str, answer: Option<Type>) -> String {
        let arguments = self.function.params.iter().map(|it| {
            let codec = match self.json(it) {
                Some(_) => "codec.jsonOf".to_owned(),
                None => self.out.codec(&it.ty),
            };
            let value = self.param(it);
            format!("{codec}.lower({value}, \"{call}: {value}\")")
        });
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        let raw = format!(
            "host(() => raw.{}({arguments}))",
            camel(&self.function.name)
        );
        match answer {
            None => format!("  {raw};\n"),
            Some(ty) => format!("  return {}.lift({raw});\n", self.out.codec(&ty)),
        }
    }

    fn name(&self) -> String {
        let name = camel(&self.function.name);
        if self.text {
            format!("{name}Json")
        } else {
            name
        }
    }

    /// The value that a parameter is the JSON of, where it is given as such.
    fn json(&self, param: &Param) -> Option<String> {
        json_name(&param.name).filter(|_| !self.text)
    }

    fn param(&self, param: &Param) -> String {
        self.json(param).unwrap_or_else(|| camel(&param.name))
    }

    /// The type of what a strategy may hand over for a parameter.
    fn given(&self, param: &Param) -> String {
        if self.json(param).is_some() {
            return "unknown".to_owned();
        }
        let ty = self.out.optional(&param.ty).unwrap_or(&param.ty);
        match self.out.ts(ty).as_str() {
            "Uint8Array" => "Uint8Array | string".to_owned(),
            list if list.ends_with("[]") => format!("readonly {list}"),
            other => other.to_owned(),
        }
    }

    /// What it gives back where all is well.
    fn answer(&self) -> Option<Type> {
        let Some(Type::Id(id)) = self.function.result else {
            return self.function.result;
        };
        match &self.out.resolve.types[id].kind {
            TypeDefKind::Result(result) => result.ok,
            _ => self.function.result,
        }
    }
}

//! A component that is sound, but neither chooses nor works.

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all)]

    wit_bindgen::generate!({
        inline: "
            package test:wrong;
            world wrong {
                export greet: func(name: string) -> string;
            }
        ",
    });
}

struct Wrong;

impl bindings::Guest for Wrong {
    fn greet(name: String) -> String {
        format!("Hello, {name}.")
    }
}

bindings::export!(Wrong with_types_in bindings);

//! Whether the strategy that is exported is of the world that `plugin.toml` says: asked while it is compiled,
//! for a component tells a boss that never delegates from a subordinate by nothing.

macro_rules! told {
    ($said:literal, $exported:literal) => {
        concat!(
            "plugin.toml says world = \"",
            $said,
            "\", and this exports a ",
            $exported,
            ": change the one or the other"
        )
    };
}

/// Ends the compilation where the two differ. `said` is what `adjutant plugin build` tells the compiler;
/// nothing where cargo was called by hand.
pub const fn check(exported: &str, said: Option<&str>) {
    let Some(said) = said else { return };
    if same(exported, said) {
        return;
    }
    let boss = same(exported, "boss");
    let selector = same(exported, "selector");
    let told = if same(said, "boss") {
        if selector {
            told!("boss", "selector")
        } else {
            told!("boss", "subordinate")
        }
    } else if same(said, "subordinate") {
        if boss {
            told!("subordinate", "boss")
        } else {
            told!("subordinate", "selector")
        }
    } else if same(said, "selector") {
        if boss {
            told!("selector", "boss")
        } else {
            told!("selector", "subordinate")
        }
    } else {
        "ADJUTANT_WORLD names no world; `adjutant plugin build` sets it"
    };
    panic!("{}", told);
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_plugin_toml_says_and_what_is_exported_are_the_same() {
        check("boss", None);
        for world in ["boss", "subordinate", "selector"] {
            check(world, Some(world));
        }
    }

    #[test]
    #[should_panic(expected = "says world = \"subordinate\", and this exports a boss")]
    fn another_world_is_told() {
        check("boss", Some("subordinate"));
    }
}

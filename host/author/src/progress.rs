//! How the author's tools tell how far they are.

/// Is told what goes on. What takes no time need not be told.
pub trait Progress: Send + Sync {
    /// A step begins, as a phrase: `compiling with cargo`, `installing componentize-py 0.25.1`.
    fn step(&self, what: &str);

    /// A line of a tool's own output during the step, without its line end.
    fn line(&self, line: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &str) {}

    fn line(&self, _: &str) {}
}

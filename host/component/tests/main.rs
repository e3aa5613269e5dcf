//! Components with the real engine: what is refused, what is limited, and how calls end.

mod common;
mod hostile;
mod load;
mod pool;
mod published;
mod run;
mod wasi;

//! The author's tools with the real compilers, and what they say where something is wrong.

mod c;
mod common;
mod go;
mod javascript;
mod python;
mod reference;
mod rust;
mod scripts;
mod templates;
mod wants;

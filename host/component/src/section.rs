//! Custom sections of a component: what its toolchain put beside the code.

/// Why a section cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// It is there more than once.
    #[error("The component has {0} sections `{1}`, and may have one; build it anew.")]
    Several(usize, String),
    /// The bytes are cut off or overwritten.
    #[error("The component is damaged or cut off at byte {0}. Build it or copy it again.")]
    Damaged(usize),
}

/// The one custom section of a name that the outermost component has, if it has one. Those of the
/// modules and components in it do not count.
///
/// # Errors
/// Where there are several, or the bytes are no whole component.
pub fn custom_section<'a>(bytes: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, SectionError> {
    let (mut found, mut count, mut depth) = (None, 0, 0_usize);
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| SectionError::Damaged(error.offset()))? {
            wasmparser::Payload::ModuleSection { .. }
            | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth = depth.saturating_sub(1),
            wasmparser::Payload::CustomSection(section) if depth == 0 && section.name() == name => {
                found = Some(section.data());
                count += 1;
            }
            _ => {}
        }
    }
    match count {
        0 | 1 => Ok(found),
        several => Err(SectionError::Several(several, name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn section(name: &str, data: &[u8]) -> Vec<u8> {
        let length = 1 + name.len() + data.len();
        let mut bytes = vec![0, length as u8, name.len() as u8];
        bytes.extend(name.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn the_outermost_components_section_is_taken_and_no_other() {
        let inner = [EMPTY, &section("a", b"inner")].concat();
        let nested = [vec![4, inner.len() as u8], inner].concat();
        let none = [EMPTY, &nested, &section("b", b"other")].concat();
        assert_eq!(custom_section(&none, "a"), Ok(None));
        let one = [EMPTY, &nested, &section("a", b"outer")].concat();
        assert_eq!(custom_section(&one, "a"), Ok(Some(&b"outer"[..])));
        let two = [one.clone(), section("a", b"")].concat();
        assert_eq!(
            custom_section(&two, "a"),
            Err(SectionError::Several(2, "a".to_owned()))
        );
        let cut = &one[..one.len() - 1];
        assert!(matches!(
            custom_section(cut, "a"),
            Err(SectionError::Damaged(_))
        ));
    }
}

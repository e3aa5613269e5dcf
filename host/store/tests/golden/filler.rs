//! Makes values of any type that can be deserialized: every field filled, every enum's variants in
//! turn. It serves as the format that a type is read from, and so learns what the type has.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::value::Error;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde_json::json;

/// How deep a value may be before lists and options stay empty.
const DEEPEST: usize = 12;
/// How many values are made in vain before there is taken to be nothing new.
const IN_VAIN: usize = 40;

/// What is known of a type: its parts, as `Struct.field` and `Enum::variant`.
#[derive(Default)]
pub(crate) struct Filler {
    /// Parts that were in an earlier value.
    covered: BTreeSet<String>,
    /// Parts of the value that is being made.
    fresh: BTreeSet<String>,
    counter: u64,
}

impl Filler {
    /// A filler that takes some parts as known.
    pub(crate) fn knowing(covered: BTreeSet<String>) -> Filler {
        Filler {
            covered,
            ..Filler::default()
        }
    }

    /// Values that have, together, all parts that are not known yet; each with the parts that it
    /// adds.
    pub(crate) fn values<T: DeserializeOwned>(self) -> Vec<(T, BTreeSet<String>)> {
        let filler = RefCell::new(self);
        let (mut values, mut in_vain) = (Vec::new(), 0);
        while in_vain < IN_VAIN {
            filler.borrow_mut().fresh.clear();
            let made = T::deserialize(Fill {
                filler: &filler,
                least: false,
                depth: 0,
            });
            let mut filler = filler.borrow_mut();
            let fresh = std::mem::take(&mut filler.fresh);
            match made {
                Ok(value) if !fresh.is_empty() => {
                    filler.covered.extend(fresh.iter().cloned());
                    values.push((value, fresh));
                    in_vain = 0;
                }
                _ => in_vain += 1,
            }
        }
        values
    }

    /// The value with as little in it as may be.
    pub(crate) fn least<T: DeserializeOwned>() -> T {
        let filler = RefCell::default();
        let fill = Fill {
            filler: &filler,
            least: true,
            depth: 0,
        };
        T::deserialize(fill).expect("a value with nothing in it")
    }

    fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// The variant to be made now: one that is new, or else each in turn.
    fn variant(&mut self, name: &str, variants: &[&'static str]) -> usize {
        let part = |variant: &str| format!("{name}::{variant}");
        let known = |part: &String| self.covered.contains(part) || self.fresh.contains(part);
        let new = variants.iter().position(|variant| !known(&part(variant)));
        let chosen = new.unwrap_or_else(|| {
            let turn = self.next() / 3;
            usize::try_from(turn).unwrap_or_default() % variants.len()
        });
        self.part(part(variants[chosen]));
        chosen
    }

    fn part(&mut self, part: String) {
        if !self.covered.contains(&part) {
            self.fresh.insert(part);
        }
    }
}

#[derive(Clone, Copy)]
struct Fill<'a> {
    filler: &'a RefCell<Filler>,
    least: bool,
    depth: usize,
}

impl Fill<'_> {
    fn below(self) -> Self {
        Fill {
            depth: self.depth + 1,
            ..self
        }
    }

    /// Whether lists and options have something in them here.
    fn more(self) -> bool {
        !self.least && self.depth < DEEPEST
    }

    fn number(self) -> u8 {
        if self.least {
            return 0;
        }
        u8::try_from(self.filler.borrow_mut().next() % 99 + 1).unwrap_or(1)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(<$type>::from(self.number()))
        })*
    };
}

impl<'de> Deserializer<'de> for Fill<'_> {
    type Error = Error;

    numbers! {
        deserialize_u8 visit_u8 u8 deserialize_u16 visit_u16 u16 deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64 deserialize_u128 visit_u128 u128
        deserialize_i16 visit_i16 i16 deserialize_i32 visit_i32 i32 deserialize_i64 visit_i64 i64
        deserialize_f32 visit_f32 f32 deserialize_f64 visit_f64 f64
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i8(1)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let any = json!({"list": [1, 2.5, null, true, "é"], "object": {}});
        any.deserialize_any(visitor).map_err(de::Error::custom)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(!self.least)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_char('x')
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.least {
            return visitor.visit_str("");
        }
        visitor.visit_string(format!("text {}", self.number()))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // As many as an id has.
        visitor.visit_bytes(&[self.number(); 16])
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_byte_buf(vec![self.number(); 16])
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.more() {
            visitor.visit_some(self.below())
        } else {
            visitor.visit_none()
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = if self.more() { 2 } else { 0 };
        visitor.visit_seq(Items {
            fill: self.below(),
            left,
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Items {
            fill: self.below(),
            left,
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(left, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = usize::from(self.more());
        visitor.visit_map(Items {
            fill: self.below(),
            left,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Fields {
            fill: self.below(),
            name,
            fields: fields.iter(),
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let chosen = if self.least {
            0
        } else {
            self.filler.borrow_mut().variant(name, variants)
        };
        visitor.visit_enum(Variant {
            fill: self.below(),
            name: variants[chosen],
        })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// Items of a list, or entries of a map.
struct Items<'a> {
    fill: Fill<'a>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.fill).map(Some)
    }
}

impl<'de> MapAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.fill)
    }
}

struct Fields<'a> {
    fill: Fill<'a>,
    name: &'static str,
    fields: std::slice::Iter<'static, &'static str>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(field) = self.fields.next() else {
            return Ok(None);
        };
        let part = format!("{}.{field}", self.name);
        self.fill.filler.borrow_mut().part(part);
        seed.deserialize((*field).into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.fill)
    }
}

struct Variant<'a> {
    fill: Fill<'a>,
    name: &'static str,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Fill<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Fill<'a>), Error> {
        let name: de::value::StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.fill))
    }
}

impl<'de> VariantAccess<'de> for Fill<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("variant", fields, visitor)
    }
}

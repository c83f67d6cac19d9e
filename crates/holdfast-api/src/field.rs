//! Fields that serde by itself would read otherwise than JSON means them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IntoDeserializer, Visitor};
use serde::{Deserialize, Deserializer, de};

/// Reads a word out of a fixed list. Serde by itself would also take `{"word":null}`.
pub(crate) fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// The same of a word that may be left out.
pub(crate) fn word_or_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let word = Option::<String>::deserialize(deserializer)?;
    word.map(|word| T::deserialize(word.into_deserializer())).transpose()
}

/// Reads a whole number, however it is written: to JSON `1`, `1.0` and `1e0` are one number, and
/// some languages write the second. Serde by itself would take only the first.
pub(crate) fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Whole<T>(PhantomData<T>);
    impl<T: TryFrom<u64>> Visitor<'_> for Whole<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("u64")
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            let out_of_range = de::Unexpected::Unsigned(number);
            T::try_from(number).map_err(|_| E::invalid_value(out_of_range, &self))
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            Err(E::invalid_value(de::Unexpected::Signed(number), &self))
        }

        #[expect(clippy::cast_possible_truncation, reason = "checked: it is whole and in range")]
        fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
            match number {
                _ if number.fract() != 0.0 => {
                    Err(E::invalid_type(de::Unexpected::Float(number), &self))
                }
                0.0..=WHOLE_MAX => self.visit_u64(number as u64),
                _ => Err(E::custom(OUT_OF_RANGE)),
            }
        }
    }
    deserializer.deserialize_u64(Whole(PhantomData))
}

/// Up to here every whole number can be written with a point: 2 to the 53rd.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What is said of a number that is a whole one and not in range.
pub(crate) const OUT_OF_RANGE: &str = "is out of range";

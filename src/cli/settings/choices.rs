//! Settings that take one of several values: the library's enums, which know nothing of the command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use strum::{EnumMessage, VariantArray};

use super::names::with_flags;

/// Takes the names of the variants of `T`; the first line of a variant's documentation is its help.
pub(in crate::cli) fn choice<T>() -> impl TypedValueParser<Value = T>
where
    T: EnumMessage + VariantArray + Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(T::VARIANTS.iter().map(possible_value)).try_map(|given: String| {
        let is_named = |variant: &&T| variant.get_serializations().iter().any(|name| name.eq_ignore_ascii_case(&given));
        T::VARIANTS.iter().find(is_named).copied().ok_or("not one of the values that are allowed")
    })
}

fn possible_value<T: EnumMessage>(variant: &T) -> PossibleValue {
    let mut names = variant.get_serializations().iter().copied();
    let value = PossibleValue::new(names.next().unwrap_or_default()).aliases(names);
    match variant.get_documentation() {
        Some(help) => value.help(with_flags(help)),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::Acks;
    use crate::proxy::UpstreamVerify;

    #[test]
    fn names_and_help_are_those_of_the_library() {
        let values: Vec<_> = Acks::VARIANTS.iter().map(possible_value).collect();
        let names: Vec<_> = values.iter().map(PossibleValue::get_name).collect();
        assert_eq!(names, ["all", "0", "1"]);
        assert!(values[0].matches("-1", false));
        let help = possible_value(&UpstreamVerify::Ca).get_help().unwrap().to_string();
        assert_eq!(help, "It must be signed by an authority in --upstream-ca");
    }
}

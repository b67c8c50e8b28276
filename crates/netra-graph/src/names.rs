//! Names of enum variants, written once.

/// Makes a function that gives a value its name by an exhaustive match, and the list of all those names, so that a test
/// can go over variants without a second list that may fall behind. Rows after `else` hand over to another such function
/// and are not in the list.
macro_rules! named {
    (
        const $list:ident;
        fn $function:ident($value:ident: $type:ty) {
            $($pattern:pat => $name:literal,)+
        }
        $(else { $($other:pat => $call:expr,)+ })?
    ) => {
        const $list: &[&str] = &[$($name),+];

        fn $function($value: $type) -> &'static str {
            match $value {
                $($pattern => $name,)+
                $($($other => $call,)+)?
            }
        }
    };
}

pub(crate) use named;

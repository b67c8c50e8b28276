//! Names of enum variants, written once.

/// Makes a function that gives a value its name by an exhaustive match, and the list of all those names, so that a test
/// can go over variants without a second list that may fall behind. Rows after `via` hand over to another such function
/// and are not in the list.
macro_rules! named {
    (
        const $list:ident;
        fn $function:ident($value:ident: $type:ty);
        $(via { $($other:pat => $call:expr,)+ })?
        names {
            $($pattern:pat => $name:literal,)+
        }
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

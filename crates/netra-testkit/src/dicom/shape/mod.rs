//! The shapes of real files that are not as the standard wants them, each with what must be read from it.

mod files;
mod numbers;
mod old;
mod peers;
mod pixels;
mod structure;
mod texts;
mod vrs;

use super::subject::PIXELS;

/// A file of one shape, and what must be read from it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file.
    pub bytes: Vec<u8>,
    /// The codes of all warnings.
    pub codes: &'static [&'static str],
    /// Texts of the data set, by the path of tags to them; several values are joined by backslashes.
    pub texts: Vec<(&'static [(u16, u16)], &'static str)>,
    /// The frames: samples as stored, `(row, column, sample)`. None: the file holds no pixels.
    pub frames: Vec<Vec<u16>>,
}

/// Texts of the subject that most shapes leave as they are.
const TEXTS: [(&[(u16, u16)], &str); 6] = [
    (&[(0x08, 0x18)], "1.2.3.1"),
    (&[(0x08, 0x60)], "CT"),
    (&[(0x08, 0x1030)], "Schädel"),
    (&[(0x08, 0x1140), (0x08, 0x1155)], "1.2.3.99"),
    (&[(0x20, 0x13)], "1"),
    (&[(0x28, 0x30)], "0.7\\0.5"),
];

impl Case {
    /// A file from which all of the subject is read.
    fn new(bytes: Vec<u8>, codes: &'static [&'static str]) -> Self {
        Self { bytes, codes, texts: TEXTS.to_vec(), frames: vec![PIXELS.to_vec()] }
    }

    /// Another text.
    fn text(mut self, path: &'static [(u16, u16)], text: &'static str) -> Self {
        self.texts.retain(|(known, _)| *known != path);
        self.texts.push((path, text));
        self
    }

    /// An attribute of the subject that this shape does not have.
    fn lacks(mut self, path: &'static [(u16, u16)]) -> Self {
        self.texts.retain(|(known, _)| *known != path);
        self
    }

    /// Other frames.
    fn frames(mut self, frames: &[&[u16]]) -> Self {
        self.frames = frames.iter().map(|frame| frame.to_vec()).collect();
        self
    }
}

macro_rules! shapes {
    ($($variant:ident $family:ident::$make:ident $says:literal)*) => {
        /// One way of a file to be, right or wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Shape {
            $(#[doc = $says] $variant,)*
        }

        impl Shape {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// A file of this shape, and what must be read from it.
            pub fn case(self) -> Case {
                match self { $(Self::$variant => $family::$make()),* }
            }

            /// A file of this shape.
            pub fn make(self) -> Vec<u8> {
                self.case().bytes
            }
        }
    };
}

shapes! {
    Explicit files::explicit "Explicit VR Little Endian, without fault."
    Implicit files::implicit "Implicit VR Little Endian, without fault."
    ExplicitBig files::explicit_big "Explicit VR Big Endian, without fault."
    Deflated files::deflated "Deflated Explicit VR Little Endian, without fault."
    ImplicitSaidExplicitDone files::implicit_said_explicit_done "Implicit VR declared, explicit bytes."
    ExplicitSaidImplicitDone files::explicit_said_implicit_done "Explicit VR declared, implicit bytes."
    BigSaidLittleDone files::big_said_little_done "Big endian declared, little-endian bytes."
    LittleSaidBigDone files::little_said_big_done "Little endian declared, big-endian bytes."
    ImplicitSaidBigDone files::implicit_said_big_done "Implicit VR declared, Explicit VR Big Endian bytes."
    DeflateSaidNotDone files::deflate_said_not_done "Deflated declared, plain bytes."
    DeflateDoneNotSaid files::deflate_done_not_said "Plain declared, deflated bytes."
    DeflateWithHeader files::deflate_with_header "Deflated behind a zlib header."
    CompressedSaidNativeDone files::compressed_said_native_done "JPEG declared, native pixel data."
    NativeSaidCompressedDone pixels::compressed_not_said "Explicit VR Little Endian declared, a JPEG-LS codestream in fragments."
    UnknownSyntax files::unknown_syntax "A private transfer syntax that is Implicit VR in truth."
    NoPreamble files::no_preamble "The file starts with the file meta information."
    NoMagic files::no_magic "A preamble without DICM."
    NoMeta files::no_meta "A preamble and DICM, then the data set."
    DataSetAlone files::data_set_alone "Neither preamble nor file meta information, explicit."
    DataSetAloneImplicit files::data_set_alone_implicit "Neither preamble nor file meta information, implicit."
    DataSetAloneBig files::data_set_alone_big "Neither preamble nor file meta information, big endian."
    NoTransferSyntax files::no_transfer_syntax "File meta information without transfer syntax."
    MetaLengthWrong files::meta_length_wrong "File Meta Information Group Length is too large."
    MetaImplicit files::meta_implicit "File meta information in Implicit VR."
    MetaUidDiffers files::meta_uid_differs "Media Storage SOP Instance UID is another."
    MetaVersionMissing files::meta_version_missing "Neither group length nor version in the file meta information."

    OddValue vrs::odd_value "A value of odd length without padding."
    OddValuePadded vrs::odd_value_padded "A value of odd length, its padding not counted."
    OddValueInItem vrs::odd_value_in_item "A value of odd length as the last of an item of odd length."
    RowsAsText vrs::rows_as_text "Rows of VR DS."
    RowsAsLong vrs::rows_as_long "Rows of VR US with 4 bytes."
    RowsAsLongBig vrs::rows_as_long_big "The same in big endian."
    RowsUnknown vrs::rows_unknown "Rows of VR UN."
    RowsAsBytes vrs::rows_as_bytes "Rows of VR OB."
    TextUnknown vrs::text_unknown "Study Description of VR UN."
    TextAsBytes vrs::text_as_bytes "Study Description of VR OB."
    NumberAsShort vrs::number_as_short "Instance Number of VR US."
    SequenceUnknown vrs::sequence_unknown "A known sequence of VR UN and defined length."
    SequenceUnknownOpen vrs::sequence_unknown_open "A known sequence of VR UN and undefined length, its items implicit: as PS3.5 wants it."
    SequenceUnknownExplicit vrs::sequence_unknown_explicit "A sequence of VR UN and undefined length, its items explicit."
    VrBlank vrs::blank "Two blanks for a VR."
    VrQuestion vrs::question "Two question marks for a VR."
    VrDashes vrs::dashes "Two dashes for a VR."
    VrZero vrs::zero "Two zeros for a VR."
    VrOx vrs::ox "Pixel data of VR OX."
    PixelsAsBytes vrs::pixels_as_bytes "16-bit pixel data of VR OB."
    ImplicitItem vrs::implicit_item "An implicit item in an explicit data set."
    ExplicitItem vrs::explicit_item "An explicit item in an implicit data set."
    ImplicitElement vrs::implicit_element "One implicit element in an explicit data set."
    ImplicitPixels vrs::implicit_pixels "Implicit pixel data in an explicit data set."

    OpenSequence structure::open_sequence "Undefined lengths, without fault."
    NestedOpen structure::nested_open "Undefined lengths within undefined and defined ones, without fault."
    EmptyItems structure::empty_items "Items and sequences of no length, without fault."
    PrivateSequence structure::private_sequence "A private sequence of undefined length in Implicit VR, without fault."
    GroupLengths structure::group_lengths "Retired group lengths, that of the pixel data too."
    NoItemDelimiter structure::no_item_delimiter "An item of undefined length without delimiter."
    NoItemDelimiterBetween structure::no_item_delimiter_between "An item without delimiter before the next item."
    NoItemDelimiterInside structure::no_item_delimiter_inside "An item without delimiter in a sequence of defined length."
    PaddedItem structure::padded_item "An item of odd length, its padding not counted."
    Icon structure::icon "An icon with encapsulated pixel data, without fault."
    PrivateFragments structure::private_fragments "A private element of undefined length and VR OB, without fault."
    NoSequenceDelimiter structure::no_sequence_delimiter "A sequence of undefined length without delimiter."
    NoDelimiterAtTheEnd structure::no_delimiter_at_the_end "The data set ends in items and sequences of undefined length."
    StrayDelimiter structure::stray_delimiter "A delimiter where nothing is open."
    DelimiterAfterDefinedItem structure::delimiter_after_defined_item "An item of defined length with a delimiter behind it."
    OutOfOrder structure::out_of_order "Elements out of order."
    CharacterSetLast structure::character_set_last "Specific Character Set after the texts."
    RowsAfterPixels structure::rows_after_pixels "The size of the image after its pixel data."
    Duplicate structure::duplicate "Instance Number twice."
    TrailingZeros structure::trailing_zeros "Zeros behind the data set."
    TrailingElement structure::trailing_element "Data Set Trailing Padding behind the pixel data, without fault."

    AcrNema old::acr_nema "ACR-NEMA 2.0: no file meta information, no UIDs, Recognition Code, Image Dimensions."
    AcrNemaOldGroup old::acr_nema_old_group "ACR-NEMA with its pixel data in the group of Image Location."

    FrameCut pixels::frame_cut "The file ends inside the only frame, which is no slice."
    FramesCut pixels::frames_cut "The file ends inside the third of four frames."
    FragmentsCut pixels::fragments_cut "The file ends inside the third fragment of three frames."
    FragmentsCutWithTable pixels::fragments_cut_with_table "The file ends inside the last of two fragments of the third frame."
    FragmentsMissing pixels::fragments_missing "The file ends behind the second fragment of three frames."
    OddFragmentPadded pixels::odd_fragment_padded "A fragment of odd length, its padding not counted."
    NoFragmentDelimiter pixels::no_fragment_delimiter "Fragments without sequence delimiter."
    OddFragment pixels::odd_fragment "A fragment of odd length."
    PixelsLonger pixels::longer "More pixel data than the frame needs."
    ColourOneSample pixels::colour_one_sample "RGB on one sample per pixel, three are stored."
    ColourOneSampleStored pixels::colour_one_sample_stored "RGB on one sample per pixel, one is stored."
    GreyThreeSamples pixels::grey_three_samples "MONOCHROME2 on three samples per pixel, three are stored."
    GreyThreeSamplesOneStored pixels::grey_three_samples_one_stored "Three samples per pixel, one is stored."
    ColourNoPlanar pixels::colour_no_planar "RGB without Planar Configuration."
    ColourNoSamples pixels::colour_no_samples "RGB without Samples per Pixel."
    MidasPhotograph pixels::midas_photograph "What older MIDAS converters write: a photograph with explicit bytes called implicit, another Media Storage UID, no Planar Configuration, no Conversion Type, no Instance Number."

    Utf8Undeclared texts::utf8_undeclared "UTF-8 without Specific Character Set."
    LatinUndeclared texts::latin_undeclared "Latin-1 without Specific Character Set."
    TermMisspelt texts::term_misspelt "ISO-IR 100 for ISO_IR 100."
    TermUnknown texts::term_unknown "A character set that is none."
    Utf8 texts::utf8 "UTF-8 declared."
    Japanese texts::japanese "A Japanese name with escapes (PS3.5 H.3.1)."
    JapaneseKatakana texts::japanese_katakana "A Japanese name in half-width katakana and kanji (PS3.5 H.3.2)."
    Korean texts::korean "A Korean name with escapes (PS3.5 I.2)."
    KoreanOneEscape texts::korean_one_escape "A Korean name with one escape where each part needs its own."
    KoreanNoEscape texts::korean_no_escape "A Korean name whose escapes are missing."
    ChineseIso2022 texts::chinese_iso_2022 "A Chinese name with escapes (PS3.5 K.2)."
    ChineseGb18030 texts::chinese_gb18030 "A Chinese name in GB18030 (PS3.5 J.3)."
    ChineseGbk texts::chinese_gbk "A Chinese character of GBK whose second byte is that of a backslash."
    Thai texts::thai "Thai."
    Cyrillic texts::cyrillic "Cyrillic."
    Greek texts::greek "Greek."
    GreekSwitched texts::greek_switched "Greek by escapes inside Latin text."
    Arabic texts::arabic "Arabic."
    Hebrew texts::hebrew "Hebrew."
    Turkish texts::turkish "Turkish (ISO 8859-9)."

    DecimalComma numbers::decimal_comma "Decimal commas."
    Exponent numbers::exponent "Exponents, plus signs and blanks around numbers, without fault."
    FortranExponent numbers::fortran_exponent "Exponents with a D."
    BlankAfterSign numbers::blank_after_sign "A blank between sign and digits."
    TrailingNul numbers::trailing_nul "NUL for a blank behind a number, harmless."
    TooLong numbers::too_long "A number of more than 16 characters, harmless."
    WholeAsDecimal numbers::whole_as_decimal "Number of Frames and Instance Number with a decimal point."
    UidBlanks numbers::uid_blanks "Blanks for padding of UIDs."
}

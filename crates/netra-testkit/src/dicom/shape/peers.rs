//! What two other readers do with the shapes, as `tests/validate/shapes.py` measured it.

use super::Shape::{self, *};

/// pydicom 3.0.2, with `force=True` and its default configuration, does not give these texts and frames.
const NOT_PYDICOM: &[Shape] = &[
    BigSaidLittleDone,
    LittleSaidBigDone,
    ImplicitSaidBigDone,
    DeflateSaidNotDone,
    DeflateDoneNotSaid,
    DeflateWithHeader,
    CompressedSaidNativeDone,
    NativeSaidCompressedDone,
    UnknownSyntax,
    NoMagic,
    NoMeta,
    DataSetAlone,
    DataSetAloneImplicit,
    DataSetAloneBig,
    NoTransferSyntax,
    OddValuePadded,
    RowsAsText,
    RowsAsLong,
    RowsAsLongBig,
    RowsAsBytes,
    TextAsBytes,
    VrBlank,
    VrQuestion,
    VrDashes,
    VrZero,
    VrOx,
    NoItemDelimiter,
    NoItemDelimiterBetween,
    PaddedItem,
    NoSequenceDelimiter,
    NoDelimiterAtTheEnd,
    AcrNema,
    AcrNemaOldGroup,
    FrameCut,
    FramesCut,
    FragmentsCut,
    FragmentsCutWithTable,
    FragmentsMissing,
    NoFragmentDelimiter,
    GreyThreeSamplesOneStored,
    ColourNoPlanar,
    ColourNoSamples,
    MidasPhotograph,
    Utf8Undeclared,
    KoreanNoEscape,
    ChineseIso2022,
    DecimalComma,
    FortranExponent,
    BlankAfterSign,
];

/// `dcmdump` of DCMTK 3.6.7 reports an error. Where it reports none, its values may still be others.
const NOT_DCMTK: &[Shape] = &[
    ImplicitSaidExplicitDone,
    ExplicitSaidImplicitDone,
    BigSaidLittleDone,
    LittleSaidBigDone,
    ImplicitSaidBigDone,
    DeflateSaidNotDone,
    DeflateDoneNotSaid,
    DeflateWithHeader,
    CompressedSaidNativeDone,
    NoMagic,
    SequenceUnknownExplicit,
    ImplicitItem,
    ExplicitItem,
    ImplicitElement,
    ImplicitPixels,
    NoItemDelimiter,
    NoItemDelimiterBetween,
    PaddedItem,
    PrivateFragments,
    NoSequenceDelimiter,
    NoDelimiterAtTheEnd,
    StrayDelimiter,
    DelimiterAfterDefinedItem,
    FrameCut,
    FramesCut,
    FragmentsCut,
    FragmentsCutWithTable,
    FragmentsMissing,
    OddFragmentPadded,
    NoFragmentDelimiter,
    MidasPhotograph,
];

impl Shape {
    /// Whether pydicom reads the same texts and frames.
    pub fn pydicom_reads(self) -> bool {
        !NOT_PYDICOM.contains(&self)
    }

    /// Whether DCMTK reads the file without an error.
    pub fn dcmtk_reads(self) -> bool {
        !NOT_DCMTK.contains(&self)
    }
}

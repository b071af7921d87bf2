//! DASH manifests (ISO/IEC 23009-1): from bytes to slots, and from slots to a plan.
//!
//! In HLS each URI is decided where it stands. In DASH a URL comes together from several places:
//! base URLs at four levels, of which siblings are alternatives, and templates that many
//! Representations share. So [`scan`] collects all elements in a [`tree`]; for each Representation
//! [`bases`] resolves the chain of base URLs, [`outcome`] decides each reference, and [`plan`]
//! writes it where it stands, or in each Representation where they differ.

pub(crate) mod bases;
pub(crate) mod carriers;
pub(crate) mod changes;
pub(crate) mod descend;
pub(crate) mod expand;
pub(crate) mod leaf;
pub(crate) mod outcome;
pub(crate) mod planner;
pub(crate) mod reference;
pub(crate) mod scan;
pub(crate) mod scene;
pub(crate) mod survey;
pub(crate) mod text;
pub(crate) mod timeline;
pub(crate) mod tree;
pub(crate) mod xml;

pub(crate) use self::planner::plan;
pub(crate) use self::scan::scan;
pub(crate) use self::survey::decisions;

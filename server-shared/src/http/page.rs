//! Paged lists: `?page=1&page_size=25` in, `{"data": […], "meta": {…}}` out.

use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef},
    types::{Example, ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};

/// Number of entries on a page if the caller states none.
const DEFAULT_SIZE: u32 = 25;
/// Maximum number of entries on a page.
pub const LARGEST_SIZE: u32 = 100;
/// Number of entries up to which every list is counted: ten pages of the default size.
pub const COUNTED: i64 = 250;

/// One page of a list.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub struct Page<T: ParseFromJSON + ToJSON + Example + Send + Sync> {
    /// Entries of this page, in the requested order.
    pub data: Vec<T>,
    /// Position of the page in the list, and the size of the list.
    pub meta: PageMeta,
}

impl<T: ParseFromJSON + ToJSON + Example + Send + Sync> Example for Page<T> {
    fn example() -> Self {
        Self { data: vec![T::example()], meta: Paging::new(None, None).meta(1) }
    }
}

/// Position of a page in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
pub struct PageMeta {
    /// Number of this page, from 1.
    #[oai(validator(minimum(value = "1")))]
    pub page: u32,
    /// Maximum number of entries on a page.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub page_size: u32,
    /// Number of entries on all pages if `total_is_exact` is `true`; else the list has more entries than this number.
    /// Core counts up to 250 entries, or up to the first entry after this page if that is more.
    #[oai(validator(minimum(value = "0")))]
    pub total: i64,
    /// `true` if `total` is the number of all entries; `false` if the list has more.
    pub total_is_exact: bool,
    /// Number of pages that `total` entries fill; 0 if there is no entry. It is greater than `page` as long as there are
    /// more entries.
    #[oai(validator(minimum(value = "0")))]
    pub total_pages: i64,
}

/// Number of entries of a list, counted up to [`Paging::counted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    entries: i64,
    is_exact: bool,
}

/// Makes the total of a list that was counted to its end.
impl From<i64> for Total {
    fn from(entries: i64) -> Self {
        Self { entries, is_exact: true }
    }
}

/// Page of a list that a caller asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    page: u32,
    size: u32,
}

impl Paging {
    /// Takes the query parameters, with defaults for those left out.
    pub fn new(page: Option<PageNumber>, size: Option<PageSize>) -> Self {
        Self { page: page.map_or(1, |page| page.0), size: size.map_or(DEFAULT_SIZE, |size| size.0) }
    }

    /// Returns the largest number of entries to read.
    pub fn limit(&self) -> i64 {
        i64::from(self.size)
    }

    /// Returns the number of entries before the page.
    pub fn offset(&self) -> i64 {
        i64::from(self.page - 1) * i64::from(self.size)
    }

    /// Returns the total if a first page of `rows` entries is the whole list. It saves the count, which is most of a
    /// list's work.
    pub fn total_of_first_page(&self, rows: usize) -> Option<i64> {
        let rows = i64::try_from(rows).ok()?;
        (self.page == 1 && rows < self.limit()).then_some(rows)
    }

    /// Returns the number of entries up to which the list of this page is counted: at least up to the first entry of
    /// the next page, so that `total_pages` shows that there is one.
    pub fn counted(&self) -> i64 {
        COUNTED.max(self.offset() + self.limit() + 1)
    }

    /// Makes the total from a count that stopped after `counted() + 1` entries.
    pub fn total(&self, entries: i64) -> Total {
        Total { entries: entries.min(self.counted()), is_exact: entries <= self.counted() }
    }

    /// Makes the page's `meta`.
    pub fn meta(&self, total: impl Into<Total>) -> PageMeta {
        let (size, Total { entries, is_exact }) = (i64::from(self.size), total.into());
        PageMeta {
            page: self.page,
            page_size: self.size,
            total: entries,
            total_is_exact: is_exact,
            total_pages: (entries + size - 1) / size,
        }
    }

    /// Makes the page of `data`.
    pub fn page<T: ParseFromJSON + ToJSON + Example + Send + Sync>(
        &self,
        data: Vec<T>,
        total: impl Into<Total>,
    ) -> Page<T> {
        Page { data, meta: self.meta(total) }
    }
}

/// Query parameter `page`: a number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageNumber(u32);

/// Query parameter `page_size`: a number from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u32);

macro_rules! bounded_parameter {
    ($name:ident, $maximum:expr, $default:expr) => {
        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = u32;
            type RawElementValueType = u32;

            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new(MetaSchema {
                    minimum: Some(1.0),
                    maximum: Some(f64::from($maximum)),
                    default: Some($default.into()),
                    ..MetaSchema::new_with_format("integer", "int32")
                }))
            }

            fn as_raw_value(&self) -> Option<&u32> {
                Some(&self.0)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a u32> + 'a> {
                Box::new(std::iter::once(&self.0))
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ParseResult<Self> {
                match value.parse::<u32>() {
                    Ok(number) if (1..=$maximum).contains(&number) => Ok(Self(number)),
                    _ => Err(ParseError::custom(format!("must be a number from 1 to {}", $maximum))),
                }
            }
        }
    };
}

bounded_parameter!(PageNumber, 1_000_000_u32, 1);
bounded_parameter!(PageSize, LARGEST_SIZE, DEFAULT_SIZE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_its_place() {
        let paging = Paging::new(PageNumber::parse_from_parameter("3").ok(), PageSize::parse_from_parameter("10").ok());
        assert_eq!((paging.limit(), paging.offset()), (10, 20));
        assert_eq!(paging.meta(21).total_pages, 3);
        assert_eq!(paging.meta(0).total_pages, 0);
    }

    #[test]
    fn a_count_that_stopped_says_so_and_shows_the_next_page() {
        let page = |page: &str| {
            Paging::new(PageNumber::parse_from_parameter(page).ok(), PageSize::parse_from_parameter("10").ok())
        };
        let met = |paging: Paging, entries: i64| {
            let meta = paging.meta(paging.total(entries));
            (meta.total, meta.total_is_exact, meta.total_pages)
        };
        assert_eq!(page("1").counted(), 250);
        assert_eq!(met(page("1"), 249), (249, true, 25));
        assert_eq!(met(page("1"), 250), (250, true, 25));
        assert_eq!(met(page("1"), 251), (250, false, 25));
        // A client that goes on while `page` is less than `total_pages` reaches the last entry.
        assert_eq!(met(page("25"), 252), (251, false, 26));
        assert_eq!(met(page("26"), 252), (252, true, 26));
        assert_eq!(met(page("200"), 2_002), (2_001, false, 201));
    }

    #[test]
    fn bounds_are_refused_not_bent() {
        assert!(PageSize::parse_from_parameter("101").is_err());
        assert!(PageNumber::parse_from_parameter("0").is_err());
    }
}

//! Calls through the SDK and checks of their results.

use std::future::Future;

use anyhow::{Result, bail};
use restartix_sdk::{Envelope, Error, Failure, ResponseValue};
use serde_json::Value;

/// Entries a page of a list holds at most.
pub(crate) const PAGE_SIZE: i32 = 100;

/// Returns the value of an answer; fails with the error of the service otherwise.
pub(crate) async fn answer<T, E: Envelope>(
    what: &str,
    call: Result<ResponseValue<T>, Error<E>>,
) -> Result<ResponseValue<T>> {
    match call {
        Ok(answer) => Ok(answer),
        Err(error) => bail!("{what}: expected success, got {}", Failure::read(error).await),
    }
}

/// Checks that a call was refused with this status and code.
pub(crate) async fn refusal<T, E: Envelope>(
    what: &str,
    status: u16,
    code: &str,
    call: Result<ResponseValue<T>, Error<E>>,
) -> Result<()> {
    refused(what, status, code, call).await.map(drop)
}

/// Checks that a call was refused for these faults and no others: each a JSON pointer and the broken rule.
pub(crate) async fn faults<T, E: Envelope>(
    what: &str,
    expected: &[(&str, &str)],
    call: Result<ResponseValue<T>, Error<E>>,
) -> Result<()> {
    let failure = refused(what, 422, "validation_failed", call).await?;
    let named = failure.details.as_ref().and_then(|details| details["fields"].as_array());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let got: Vec<_> =
        named.into_iter().flatten().map(|fault| (text(&fault["pointer"]), text(&fault["rule"]))).collect();
    let is_same = got.iter().map(|(pointer, rule)| (pointer.as_str(), rule.as_str())).eq(expected.iter().copied());
    if !is_same {
        bail!("{what}: expected the faults {expected:?}, got {got:?}");
    }
    Ok(())
}

/// Returns the refusal of a call; fails if it has another status or code.
async fn refused<T, E: Envelope>(
    what: &str,
    status: u16,
    code: &str,
    call: Result<ResponseValue<T>, Error<E>>,
) -> Result<Failure> {
    match call {
        Ok(answer) => bail!("{what}: expected {status} {code}, got {}", answer.status().as_u16()),
        Err(error) => {
            let failure = Failure::read(error).await;
            let got = (failure.status.map(|status| status.as_u16()), failure.code.as_deref());
            if got != (Some(status), Some(code)) {
                bail!("{what}: expected {status} {code}, got {failure}");
            }
            Ok(failure)
        }
    }
}

/// The entries of every page; `fetch` gets a page by its number and says how many there are.
pub(crate) async fn all<T, F>(mut fetch: impl FnMut(i32) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<(Vec<T>, i64)>>,
{
    let mut entries = Vec::new();
    let mut page = 1;
    loop {
        let (some, pages) = fetch(page).await?;
        entries.extend(some);
        if i64::from(page) >= pages {
            return Ok(entries);
        }
        page += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_of_no_page_and_one_of_three_are_read_to_their_end() {
        let empty = all(async |_| Ok((Vec::<i32>::new(), 0))).await.unwrap();
        assert!(empty.is_empty());
        let three = all(async |page| Ok((vec![page], 3))).await.unwrap();
        assert_eq!(three, [1, 2, 3]);
    }
}

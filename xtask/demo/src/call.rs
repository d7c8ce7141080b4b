//! Calls through the SDK and checks of their results.

use std::future::Future;

use anyhow::{Result, bail};
use restartix_sdk::{Envelope, Error, Failure, ResponseValue};

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
    match call {
        Ok(answer) => bail!("{what}: expected {status} {code}, got {}", answer.status().as_u16()),
        Err(error) => {
            let failure = Failure::read(error).await;
            let got = (failure.status.map(|status| status.as_u16()), failure.code.as_deref());
            if got != (Some(status), Some(code)) {
                bail!("{what}: expected {status} {code}, got {failure}");
            }
            Ok(())
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

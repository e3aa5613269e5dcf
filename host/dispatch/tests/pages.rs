//! Pages of large records are shorter than was asked for, and lose nothing.

use crate::common::{Bench, agent};
use adjutant_dispatch::Page;
use adjutant_model::{Answer, NewTicket, Record, Status};
use futures::future::join_all;
use serde_json::json;

/// Where the next page begins, if there is one; pages get ahead.
fn next<T>(page: &Page<T>, from: u64) -> Option<u64> {
    let next = page.next.as_deref()?;
    let next = next.parse().expect("an index");
    assert!(next > from, "it goes on");
    Some(next)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_more_bytes_than_a_page_are_all_read() {
    const MESSAGES: usize = 540;
    let bench = Bench::start().await;
    let new = NewTicket {
        title: "talk".to_owned(),
        backlog: true,
        ..NewTicket::default()
    };
    let ticket = bench.host.create_ticket(bench.workspace, new).await;
    let id = ticket.expect("a ticket").id;
    let post = |n: usize| {
        let text = format!("{n} {}", "x".repeat(64_000));
        bench
            .host
            .post_message(bench.workspace, id, "ann".to_owned(), text, None)
    };
    for posted in join_all((0..MESSAGES).map(post)).await {
        posted.expect("posted");
    }
    let (mut from, mut pages, mut seen) = (Some(0), 0, 0);
    while let Some(index) = from {
        let page = bench.host.messages(bench.workspace, id, index, 1_000).await;
        let page = page.expect("a page");
        (pages, seen) = (pages + 1, seen + page.items.len());
        from = next(&page, index);
    }
    assert!(pages > 1, "one page does not hold them");
    assert!(seen >= MESSAGES, "{seen} of {MESSAGES} were read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_more_bytes_than_a_page_is_read_whole() {
    const READ: usize = 12;
    let bench = Bench::start().await;
    let mut sub = agent("sub", "scripted-sub", None);
    sub.limits.max_concurrent = 1;
    bench.team(vec![sub]).await;
    let script = json!([
        {"repeat": {"times": READ, "steps": [{"memory_get": "large"}]}},
        {"report": {"summary": "read it often"}},
    ]);
    let large = vec![b'x'; 4 << 20];
    let bench = bench.with_memory("sub", "large", large).await;
    let id = bench.script("sub", script).await;
    let ticket = bench.over(id).await;
    assert_eq!(ticket.status, Status::Done, "{}", ticket.summary);
    let run = *ticket.runs.last().expect("a run");
    let (mut from, mut pages, mut seen) = (Some(0), 0, 0);
    while let Some(index) = from {
        let page = bench.host.journal(bench.workspace, run, index, 1_000).await;
        let page = page.expect("a page");
        let large = page.items.iter().filter(|record| {
            matches!(
                record,
                Record::Done { reply: Ok(Answer::Bytes(Some(bytes))), .. } if bytes.len() == 4 << 20
            )
        });
        (pages, seen) = (pages + 1, seen + large.count());
        from = next(&page, index);
    }
    assert_eq!((pages, seen), (2, READ));
}

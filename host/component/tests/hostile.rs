//! Components written to hurt: each ends as a clear failure of its own call, and leaves nothing behind.

use crate::common::hostile::kinds;
use crate::common::*;
use adjutant_component::{Context, GuestLimits};
use std::sync::Arc;

fn narrow() -> GuestLimits {
    GuestLimits {
        memory: 128 << 20,
        ..short()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ends_as_a_failure_of_its_own_and_a_neighbour_never_notices() {
    let engine = engine(4);
    let neighbour = prepare(&engine, &working(CALL_PROGRESS));
    let mut wrong = Vec::new();
    for kind in kinds() {
        let prepared = prepare(&engine, &kind.component());
        let alive = Arc::new(());
        let host = Host {
            alive: alive.clone(),
            ..Host::default()
        };
        let context = Context {
            limits: narrow(),
            ..Context::default()
        };
        let task = task();
        let hostile = prepared.work(host, context, &task);
        let (ended, ()) = tokio::join!(hostile, async {
            for _ in 0..3 {
                answer(&neighbour, Host::default(), Context::default()).await;
            }
        });
        let said = match ended {
            Ok((answer, _)) => format!("answered {:?}", answer.map(|report| report.summary)),
            Err(stop) => stop.to_string(),
        };
        if !said.contains(kind.says) || said.starts_with("answered") {
            wrong.push(format!("{}: {said}", kind.name));
        }
        assert_eq!(
            Arc::strong_count(&alive),
            1,
            "{}: its host is gone",
            kind.name
        );
        assert_eq!(engine.permits().available_permits(), 4, "{}", kind.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(kinds().len() >= 50, "{}", kinds().len());
}

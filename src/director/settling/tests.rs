use tokio::runtime::Builder;

use super::*;
use crate::director::reconcile::Told as Refusal;

const VIRTUAL_SERVER: &str = "tcp 192.168.1.200:80";

/// Nobody waits for what does not come.
const NONE: Patience = Patience {
    answers: Duration::ZERO,
    table: Duration::ZERO,
};

/// What comes does so before that.
const LONG: Patience = Patience {
    answers: Duration::from_secs(60),
    table: Duration::from_secs(60),
};

#[test]
fn what_is_refused_after_the_first_answer_of_a_check_is_in_the_reply() {
    let mut waiting = Waiting::default();
    let ticket = waiting.begin(vec![server(53), server(54)]);
    // The reload's own table, with neither of them.
    waiting.see(|_| true);
    waiting.tell(1);
    let (reports, receiver) = watch::channel(report(1, &[]));
    let reloaded = run(async {
        let settling = Settling::new(ticket, receiver);
        let settled = tokio::spawn(settling.settled(LONG));
        tokio::task::yield_now().await;
        waiting.see(|unchecked| *unchecked != server(53));
        waiting.tell(2);
        tokio::task::yield_now().await;
        assert!(!settled.is_finished(), "one has not answered");
        waiting.see(|_| false);
        waiting.tell(3);
        tokio::task::yield_now().await;
        assert!(!settled.is_finished(), "the table is not there");
        reports.send_replace(report(3, &[54]));
        reloaded(settled.await.unwrap())
    });
    assert_eq!(reloaded.refused, [sentence(54)]);
    assert_eq!(reloaded.unchecked, [""; 0]);
    assert!(!reloaded.under_way);
    waiting.tell(4);
    assert!(waiting.0.is_empty(), "nobody waits any more");
}

#[test]
fn what_is_not_known_in_time_is_told_as_such() {
    let mut waiting = Waiting::default();
    let ticket = waiting.begin(vec![server(53), server(54)]);
    waiting.see(|unchecked| *unchecked == server(54));
    waiting.tell(2);
    let (_reports, receiver) = watch::channel(report(1, &[]));
    let reloaded = reloaded(run(Settling::new(ticket, receiver).settled(NONE)));
    assert_eq!(
        reloaded.unchecked,
        ["192.168.1.54:80 of tcp 192.168.1.200:80"]
    );
    assert!(reloaded.under_way);
    waiting.tell(3);
    assert!(waiting.0.is_empty(), "nobody waits any more");
}

#[test]
fn the_answer_to_a_wish_names_what_the_kernel_refuses_of_it() {
    let mut waiting = Waiting::default();
    let ticket = waiting.begin(vec![server(55)]);
    waiting.see(|_| true);
    waiting.tell(1);
    let (_reports, receiver) = watch::channel(report(1, &[54]));
    let told = Outcome {
        servers: [53, 54, 55].map(server).to_vec(),
        settled: Some(run(Settling::new(ticket, receiver).settled(NONE))),
    };
    let told = told.of(serving);
    let refused: Vec<_> = told.iter().map(|it| it.refused.clone()).collect();
    assert_eq!(refused, [None, Some(sentence(54)), None]);
    let told: Vec<_> = told.iter().map(Changed::to_string).collect();
    let of = |last: u8| format!("192.168.1.{last}:80 of {VIRTUAL_SERVER}: serving, weight 3");
    assert_eq!(
        told,
        [
            of(53),
            of(54),
            format!("{}; its check has not answered yet", of(55))
        ]
    );
}

#[test]
fn a_refused_virtual_server_and_a_lost_connection_are_refusals_too() {
    let all = Report {
        refused: [((id(), None), refusal("cannot add virtual server"))].into(),
        ..Report::default()
    };
    let lost = Report {
        error: Some("cannot read the virtual servers".to_owned()),
        ..Report::default()
    };
    for (report, told) in [
        (all, "cannot add virtual server"),
        (lost, "cannot read the virtual servers"),
    ] {
        let settled = Settled {
            report: Some(Arc::new(report)),
            unchecked: vec![],
        };
        let answer = Outcome {
            servers: vec![server(53)],
            settled: Some(settled),
        };
        assert_eq!(answer.of(serving)[0].refused.as_deref(), Some(told));
    }
}

fn run<T>(something: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.unwrap().block_on(something)
}

fn reloaded(settled: Settled) -> Reloaded {
    let mut reloaded = Reloaded::default();
    reloaded.take(settled);
    reloaded
}

fn id() -> VirtualServerId {
    VIRTUAL_SERVER.parse().unwrap()
}

fn server(last: u8) -> Server {
    (id(), RealServerId::new([192, 168, 1, last].into(), 80))
}

fn serving((id, rip): &Server) -> Changed {
    Changed {
        virtual_server: *id,
        real_server: *rip,
        state: "serving".to_owned(),
        weight: Some(3),
        refused: None,
        pending: None,
    }
}

fn sentence(last: u8) -> String {
    format!("cannot add real server 192.168.1.{last}:80")
}

fn refusal(sentence: &str) -> Refusal {
    Refusal {
        sentence: sentence.to_owned(),
        reason: String::new(),
        is_missing: true,
    }
}

/// The table of that generation, without those that are refused.
fn report(generation: u64, refused: &[u8]) -> Arc<Report> {
    let refused = refused.iter().map(|last| {
        let (id, rip) = server(*last);
        ((id, Some(rip)), refusal(&sentence(*last)))
    });
    Arc::new(Report {
        generation,
        refused: refused.collect(),
        ..Report::default()
    })
}

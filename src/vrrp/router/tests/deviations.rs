//! What the RFCs do not say, or say otherwise.

use super::rules::{DOWN_100, SKEW_100, backup, wait};
use super::*;

/// Deviation: answers are a centisecond apart.
#[test]
fn a_flood_of_lesser_adverts_is_not_answered_packet_for_packet() {
    for priority in [0, 50] {
        let (mut router, now) = master(settings(V3, 100));
        let mut answers = 0;
        for n in 0..10_000 {
            let at = now + Duration::from_micros(n * 10);
            if router.deadline().unwrap() <= at {
                answers += usize::from(!feed(&mut router, at, Event::Deadline).is_empty());
            }
            let sent = feed(&mut router, at, hear(V3, LESSER, priority));
            answers += usize::from(sent.contains("advert"));
        }
        assert!((9..=11).contains(&answers), "{answers} answers in 100 ms");
    }
}

#[test]
fn forged_rivals_make_no_more_noise_than_our_own_adverts() {
    let (mut router, now) = master(settings(V3, 100));
    let (mut told, mut announced) = (0, 0);
    for n in 0..30_000 {
        let at = now + Duration::from_micros(n * 100);
        let source = if n % 3 == 0 { LESSER } else { "192.168.1.49" };
        let priority = if n % 2 == 0 { 50 } else { 0 };
        let due = (router.deadline().unwrap() <= at).then_some(Event::Deadline);
        for event in due.into_iter().chain([hear(V3, source, priority)]) {
            for action in router.handle(at, event) {
                told += usize::from(matches!(action, Action::Report(_)));
                announced += usize::from(action == Action::AnnounceVips);
            }
        }
    }
    assert!(told > 0 && announced > 0);
    assert_eq!(router.state(), State::Master);
    assert!(told <= 8, "{told} notices in 3 s");
    assert!(announced <= 8, "{announced} announcements in 3 s");
}

/// timers: wake late = listen before claiming.
#[test]
fn a_backup_that_wakes_late_listens_once_more_but_only_once() {
    let (mut router, now) = backup(V3, 100);
    let late = now + DOWN_100 + millis(1_001);
    let told = notices(&mut router, late, Event::Deadline);
    assert_eq!(
        told,
        [Notice::ListensAgain {
            late: millis(1_001)
        }]
    );
    assert_eq!(router.state(), State::Backup);
    assert_eq!(wait(&router, late), secs(1) + SKEW_100);
    let late_again = late + secs(10);
    assert_eq!(
        feed(&mut router, late_again, Event::Deadline),
        "advert 100, claim"
    );

    let (mut router, now) = backup(V3, 100);
    let in_time = now + DOWN_100 + millis(1_000);
    assert_eq!(
        feed(&mut router, in_time, Event::Deadline),
        "advert 100, claim"
    );
}

/// The forms of checksum of the adverts that follow from an event.
fn forms(router: &mut Router, now: Instant, event: Event) -> Vec<Forms> {
    let actions = router.handle(now, event);
    actions
        .filter_map(|action| match action {
            Action::SendAdvert { forms, .. } => Some(forms),
            _ => None,
        })
        .collect()
}

/// 3-5.2.8: an lvsd tells nothing of who else listens, a keepalived does.
#[test]
fn adverts_have_both_forms_unless_every_router_heard_has_one_alone() {
    let (mut router, now) = master(settings(V3, 100));
    let mut hear_and_send = |n, forms_heard: &[Checksum]| {
        let at = now + secs(n);
        for checksum in forms_heard {
            let checksum = *checksum;
            let peer = heard(V3, LESSER, 50);
            let event = Event::Heard(Heard { checksum, ..peer });
            feed(&mut router, at - millis(500), event);
        }
        forms(&mut router, at, Event::Deadline)
    };
    let (rfc, pseudo) = (Checksum::MessageOnly, Checksum::PseudoHeader);
    assert_eq!(hear_and_send(1, &[pseudo, rfc]), [Forms::Both]);
    assert_eq!(hear_and_send(2, &[pseudo, rfc]), [Forms::Both]);
    assert_eq!(hear_and_send(3, &[pseudo]), [Forms::Both]);
    assert_eq!(
        hear_and_send(4, &[pseudo]),
        [Forms::Both],
        "two may be chance"
    );
    assert_eq!(hear_and_send(5, &[pseudo]), [Forms::One(pseudo)]);
    assert_eq!(hear_and_send(6, &[rfc]), [Forms::Both]);
}

#[test]
fn a_form_of_checksum_that_was_chosen_is_the_only_one_whoever_is_heard() {
    for form in [Checksum::MessageOnly, Checksum::PseudoHeader] {
        let (mut router, now) = master(Settings {
            checksum: Some(form),
            ..settings(V3, 100)
        });
        for n in 1..6 {
            feed(
                &mut router,
                now + secs(n) - millis(500),
                hear(V3, LESSER, 50),
            );
            let sent = forms(&mut router, now + secs(n), Event::Deadline);
            assert_eq!(sent, [Forms::One(form)]);
        }
    }
}

/// 3-5.2.8: whoever speaks in both forms is answered once.
#[test]
fn an_advert_in_both_forms_is_one_advert() {
    for (priority, answer) in [(0, "announce, advert 100"), (50, "announce, advert 100")] {
        let (mut router, now) = master(settings(V3, 100));
        let later = now + millis(400);
        let twin = Heard {
            checksum: Checksum::PseudoHeader,
            ..heard(V3, LESSER, priority)
        };
        assert_eq!(feed(&mut router, later, Event::Heard(twin)), answer);
        let answered = router.deadline();
        let second = later + Duration::from_micros(50);
        assert_eq!(feed(&mut router, second, hear(V3, LESSER, priority)), "");
        assert_eq!(router.deadline(), answered);
    }
}

/// 3-5.2.8: a backup that takes one form only must not hold us for dead.
#[test]
fn while_nobody_was_heard_every_advert_has_both_forms() {
    let mut router = started(settings(V3, 100), start());
    for n in 0..21 {
        let now = router.deadline().unwrap();
        let sent = forms(&mut router, now, Event::Deadline);
        assert_eq!(sent, [Forms::Both], "advert {n}");
    }
    let now = router.deadline().unwrap();
    assert_eq!(forms(&mut router, now, Event::Shutdown), [Forms::Both]);

    let (mut router, now) = master(settings(V2, 100));
    let resigns = forms(&mut router, now, Event::Shutdown);
    assert_eq!(
        resigns,
        [Forms::One(Checksum::MessageOnly)],
        "version 2 has one form"
    );
}

#[test]
fn reconfiguring_a_backup_keeps_the_time_it_has_waited() {
    let (mut router, now) = backup(V3, 100);
    let at = now + secs(1);
    feed(&mut router, at, Event::Reconfigure(settings(V3, 200)));
    assert_eq!(wait(&router, now), secs(3) + Duration::from_micros(218_750));
    let late = now + millis(3_300);
    let mut router = backup(V3, 100).0;
    feed(&mut router, late, Event::Reconfigure(settings(V3, 254)));
    assert!(
        router.deadline().unwrap() >= late,
        "no deadline in the past"
    );
}

#[test]
fn reconfiguring_a_master_tells_its_backups_at_once_and_keeps_the_role() {
    let (mut router, now) = master(settings(V3, 100));
    let slower = Settings {
        advert_interval: secs(3),
        ..settings(V3, 100)
    };
    let at = now + millis(500);
    let actions = feed(&mut router, at, Event::Reconfigure(slower));
    assert_eq!(actions, "advert 100, claim");
    assert_eq!(wait(&router, at), secs(3));
}

#[test]
fn what_a_crash_left_stays_until_somebody_is_heard() {
    let now = start();
    let router = Router::new(settings(V3, 100), now);
    assert_eq!(router.claim(), Claim::Undecided);
    for priority in [50, 200] {
        let (mut router, now) = backup(V3, 100);
        assert_eq!(router.claim(), Claim::Undecided);
        feed(&mut router, now, hear(V3, LESSER, priority));
        assert_eq!(router.claim(), Claim::Release);
    }
    let (mut router, now) = backup(V3, 100);
    feed(&mut router, now, Event::LinkDown(LinkFault::Down));
    assert_eq!(router.claim(), Claim::Release);
}

#[test]
fn causes_read_as_sentences() {
    let peer = Peer {
        address: ip(OWN),
        priority: 200,
    };
    let silence = DOWN_100;
    for (cause, text) in [
        (
            Cause::Outranked(peer),
            "heard 192.168.1.51 with priority 200",
        ),
        (
            Cause::MasterSilent { peer, silence },
            "master 192.168.1.51 silent for 3.61 s",
        ),
        (
            Cause::LinkDown(LinkFault::NoCarrier),
            "the interface does not work: no carrier",
        ),
    ] {
        assert_eq!(cause.to_string(), text);
    }
}

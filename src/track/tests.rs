use super::*;
use jiff::Timestamp;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn script(rise: u32, fall: u32) -> Source {
    Source::Script(Script {
        argv: vec!["/bin/check".to_owned()],
        user: None,
        timeout: Duration::from_secs(1),
        pace: Pace {
            interval: Duration::from_secs(1),
            rise,
            fall,
        },
    })
}

fn file() -> Source {
    Source::File(File {
        path: "/run/prio".into(),
        interval: Duration::from_secs(1),
    })
}

fn tracker(source: Source, weight: Option<i16>) -> Tracker {
    let name = source.to_string();
    Tracker {
        name,
        source,
        weight,
    }
}

fn board(trackers: &[Tracker]) -> Board {
    let mut board = Board::default();
    board.configure(NOW, [(&"VI_1".to_owned(), trackers)]);
    board
}

fn now_of(board: &Board) -> (i16, Vec<String>) {
    let (_, influence) = board.influences().next().unwrap();
    (influence.priority, influence.faults.into_iter().collect())
}

fn bad() -> Observation {
    Observation::Bad("it is broken".into())
}

#[test]
fn a_weight_is_added_while_up_if_positive_and_while_down_if_negative() {
    for (weight, up, down) in [(20, 20, 0), (-30, 0, -30)] {
        let source = script(1, 1);
        let mut board = board(&[tracker(source.clone(), Some(weight))]);
        board.observe(NOW, &source, &Observation::Good);
        assert_eq!(now_of(&board), (up, vec![]));
        board.observe(NOW, &source, &bad());
        assert_eq!(now_of(&board), (down, vec![]));
    }
}

#[test]
fn without_a_weight_it_is_a_fault_while_down_that_says_why() {
    let source = script(1, 1);
    let mut board = board(&[tracker(source.clone(), None)]);
    board.observe(NOW, &source, &bad());
    let fault = "script check (it is broken)".to_owned();
    assert_eq!(now_of(&board), (0, vec![fault]));
    board.observe(NOW, &source, &Observation::Good);
    assert_eq!(now_of(&board), (0, vec![]));
}

#[test]
fn the_first_observation_decides_and_then_rise_and_fall_count() {
    let source = script(2, 3);
    let mut verdict = Verdict::unknown(NOW);
    let good = Observation::Good;
    let mut see = |seen: &Observation| verdict.record(&source, NOW, seen);
    assert_eq!(see(&good), Some(State::Unknown));
    assert_eq!((see(&bad()), see(&bad())), (None, None));
    assert_eq!(see(&good), None, "a good one breaks the row");
    assert_eq!((see(&bad()), see(&bad())), (None, None));
    assert_eq!(see(&bad()), Some(State::Up(0)));
    assert_eq!((see(&good), see(&bad()), see(&good)), (None, None, None));
    assert_eq!(see(&good), Some(State::Down));
    let mut verdict = Verdict::unknown(NOW);
    assert_eq!(verdict.record(&source, NOW, &bad()), Some(State::Unknown));
}

#[test]
fn the_number_in_a_file_is_added_and_what_makes_no_sense_changes_nothing() {
    let mut board = board(&[tracker(file(), None)]);
    board.observe(NOW, &file(), &Observation::Number(-40));
    assert_eq!(now_of(&board), (-40, vec![]));
    let unclear = Observation::Unclear("\"x\" is not a number".into());
    assert_eq!(board.observe(NOW, &file(), &unclear), None);
    assert_eq!(now_of(&board), (-40, vec![]));
    let (_, verdict, _) = board.trackers("VI_1").next().unwrap();
    assert!(verdict.unclear.is_some());
    board.observe(NOW, &file(), &Observation::Number(7));
    assert_eq!(now_of(&board), (7, vec![]));
    let (_, verdict, added) = board.trackers("VI_1").next().unwrap();
    assert_eq!((added, verdict.unclear.clone()), (7, None));
}

#[test]
fn a_router_that_starts_waits_for_its_sources_and_one_that_runs_does_not() {
    let (first, second) = (script(1, 1), script(2, 2));
    let mut board = board(&[tracker(first.clone(), None)]);
    let waits = "script check has not answered yet".to_owned();
    assert_eq!(now_of(&board), (0, vec![waits]));
    board.observe(NOW, &first, &Observation::Good);
    assert_eq!(now_of(&board), (0, vec![]));

    let other = Tracker {
        name: "other".to_owned(),
        ..tracker(second.clone(), None)
    };
    let trackers = [tracker(first, None), other];
    board.configure(NOW, [(&"VI_1".to_owned(), &trackers[..])]);
    assert_eq!(now_of(&board), (0, vec![]), "it runs already");
    board.observe(NOW, &second, &bad());
    assert_eq!(now_of(&board).1.len(), 1);
}

#[test]
fn a_starting_router_takes_an_unknown_source_with_weight_for_down() {
    let of = |weight| now_of(&board(&[tracker(script(1, 1), Some(weight))]));
    assert_eq!(of(-20), (-20, vec![]));
    assert_eq!(of(20), (0, vec![]));
}

#[test]
fn a_reload_keeps_what_is_known_of_sources_that_stay() {
    let kept = script(1, 1);
    let mut board = board(&[tracker(kept.clone(), None), tracker(file(), None)]);
    board.observe(NOW, &kept, &bad());
    board.observe(NOW, &file(), &Observation::Number(5));
    let trackers = [tracker(kept, Some(-10))];
    board.configure(NOW, [(&"VI_1".to_owned(), &trackers[..])]);
    assert_eq!(
        now_of(&board),
        (-10, vec![]),
        "down still, with a weight now"
    );
    assert_eq!(board.observe(NOW, &file(), &Observation::Number(9)), None);
}

#[test]
fn equal_sources_are_shared_and_each_router_has_its_own_weight() {
    let source = script(1, 1);
    let (one, other) = (
        [tracker(source.clone(), Some(-10))],
        [tracker(source.clone(), None)],
    );
    let names = ["a".to_owned(), "b".to_owned()];
    let mut board = Board::default();
    board.configure(NOW, [(&names[0], &one[..]), (&names[1], &other[..])]);
    let changed = board.observe(NOW, &source, &bad()).unwrap();
    assert_eq!(changed.from, State::Unknown);
    let influences: Vec<_> = board.influences().map(|(_, it)| it).collect();
    assert_eq!(influences[0].priority, -10);
    assert_eq!(influences[1].faults.len(), 1);
    assert_eq!(board.interested(&source).count(), 2);
}

#[test]
fn a_tracker_that_is_asked_otherwise_is_thought_of_as_before_until_it_answers() {
    let (old, new) = (script(1, 1), script(2, 2));
    let mut board = board(&[tracker(old.clone(), None)]);
    board.observe(NOW, &old, &bad());
    let trackers = [tracker(new.clone(), None)];
    board.configure(NOW, [(&"VI_1".to_owned(), &trackers[..])]);
    assert_eq!(now_of(&board).1.len(), 1, "down still");
    board.observe(NOW, &new, &Observation::Good);
    board.observe(NOW, &new, &Observation::Good);
    assert_eq!(now_of(&board), (0, vec![]));
}

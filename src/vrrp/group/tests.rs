use super::*;

fn group(standings: &[Standing]) -> Vec<Member> {
    let members = standings.iter().zip(1..).map(|(standing, vrid)| Member {
        name: format!("VI_{vrid}"),
        vrid,
        standing: *standing,
        shares_fault_of: None,
    });
    members.collect()
}

fn told(standings: &[Standing]) -> Vec<String> {
    let orders = orders(&group(standings)).into_iter();
    orders
        .map(|(name, order)| format!("{name}: {order:?}"))
        .collect()
}

use Standing::{Faulty, Follows, Idle, Leaves, Listens, Ready, Serves};

#[test]
fn a_group_goes_when_its_last_member_is_ready_and_not_before() {
    for last in [Idle, Listens, Leaves, Follows(Rank::Less)] {
        assert_eq!(told(&[Ready, last]), [""; 0], "{last:?}");
    }
    assert_eq!(told(&[Ready, Ready]), ["VI_1: Go", "VI_2: Go"]);
    assert_eq!(told(&[Serves, Ready]), ["VI_2: Go"]);
    assert_eq!(told(&[Serves, Serves]), [""; 0], "it is at rest");
}

#[test]
fn a_member_that_follows_a_better_master_takes_the_serving_ones_along() {
    let better = Follows(Rank::Greater);
    let steps_down = "VI_2: StepDown(\"VI_1\")";
    assert_eq!(told(&[better, Serves, Ready]), [steps_down]);
    assert_eq!(told(&[Follows(Rank::Yielded), Serves]), [steps_down]);
    assert_eq!(told(&[better, Leaves]), [""; 0]);
}

#[test]
fn the_half_of_the_greater_priority_takes_the_rest() {
    assert_eq!(told(&[Follows(Rank::Less), Serves]), ["VI_1: Go"]);
}

#[test]
fn between_equal_priorities_the_member_of_the_lowest_vrid_decides() {
    let equal = Follows(Rank::Equal);
    assert_eq!(told(&[equal, Serves]), ["VI_2: StepDown(\"VI_1\")"]);
    assert_eq!(told(&[Serves, equal]), [""; 0], "the other group gives up");
    let names = [("b", 2), ("a", 2), ("c", 9)];
    assert_eq!(decides_ties(names.into_iter()), Some("a"));
}

#[test]
fn a_fault_is_shared_by_all_others_and_taken_back_from_all() {
    let shares = "VI_1: Fault(Some(\"VI_2\"))";
    assert_eq!(told(&[Serves, Faulty]), [shares]);
    let of_others = "VI_3: Fault(Some(\"VI_2\"))";
    assert_eq!(told(&[Ready, Faulty, Serves]), [shares, of_others]);
    let mut members = group(&[Idle, Listens]);
    members[0].shares_fault_of = Some("VI_2".to_owned());
    assert_eq!(orders(&members), [("VI_1".to_owned(), Order::Fault(None))]);
}

//! What the tables of [`scale`](super::scale) come to, in sentences.

use super::figures::{Times, ratio};
use super::scale::{Found, Measured};

/// The numbers of the steps, in the order in which they are taken.
const LOAD: usize = 0;
const ONE_WEIGHT: usize = 2;
const ALL_REPLACED: usize = 5;

/// Below this many real servers, what a program takes by itself is not told from them.
const MANY: u32 = 5_000;

/// `empty`: the memory of lvsd and of keepalived with one real server.
pub(super) fn of(measured: &[Measured], empty: [u64; 2]) -> String {
    let mut sentences: Vec<_> = measured.iter().map(beside_keepalived).collect();
    if let [.., before, last] = measured {
        sentences.push(growth(before, last));
    }
    let large = measured.iter().filter(|size| size.real_servers >= MANY);
    sentences.extend(large.map(|size| memory(size, empty[0])));
    let lines = sentences.into_iter().map(|it| format!("- {it}\n"));
    lines.collect()
}

fn beside_keepalived(size: &Measured) -> String {
    let [lvsd, keepalived, _] = &size.found;
    let step = |of: usize| between(&keepalived.steps[of], &lvsd.steps[of]);
    format!(
        "{} objects: compared with lvsd, keepalived takes {} as long to load, {} for one weight, {} \
         to replace all, and {} to stop.",
        size.objects,
        step(LOAD),
        step(ONE_WEIGHT),
        step(ALL_REPLACED),
        between(&keepalived.stop, &lvsd.stop)
    )
}

fn growth(before: &Measured, last: &Measured) -> String {
    let [lvsd, ..] = &last.found;
    let [less, ..] = &before.found;
    let step = |of: usize| between(&lvsd.steps[of], &less.steps[of]);
    format!(
        "From {} to {} objects, {:.2}x as many, lvsd takes {} as long to load, {} for one weight, \
         {} to replace all, and {} to stop.",
        before.objects,
        last.objects,
        f64::from(last.objects) / f64::from(before.objects),
        step(LOAD),
        step(ONE_WEIGHT),
        step(ALL_REPLACED),
        between(&lvsd.stop, &less.stop)
    )
}

fn memory(size: &Measured, empty: u64) -> String {
    let [lvsd, ..] = &size.found;
    let share = |moment| share(lvsd, moment, empty, size.real_servers);
    format!(
        "{} real servers: {} for each after loading, {} after all changes (wanted: at most 1024 B).",
        size.real_servers,
        share(0),
        share(1)
    )
}

fn share(found: &Found, moment: usize, empty: u64, real_servers: u32) -> String {
    let bytes = found.share(moment, empty, real_servers.into());
    bytes.map_or_else(|| "–".to_owned(), |bytes| format!("{bytes} B"))
}

/// How many times longer; who gave up took longer than was waited.
fn between(times: &Option<Times>, reference: &Option<Times>) -> String {
    match (times, reference) {
        (Some(times), Some(reference)) => ratio(times, reference),
        (None, Some(_)) => "too long to be measured".to_owned(),
        (_, None) => "–".to_owned(),
    }
}

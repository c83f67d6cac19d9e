//! Every schedule, one after the other.

use holdfast_sim::cluster::schedules::ALL;

#[test]
fn nothing_is_wrong_in_any_schedule() {
    let wrong = ALL.iter().filter_map(|(name, play)| Some(format!("{name}: {}", play().err()?)));
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

//! The way of the money: some runs of a fixed series, and the same run twice. `HOLDFAST_RUNS=10000`
//! plays so many.

use holdfast_sim::money::simulate_money;
use holdfast_sim::rng::seed_of;

#[test]
fn money_and_units_stay_together() {
    let named = std::env::var("HOLDFAST_RUNS").ok().and_then(|runs| runs.parse().ok());
    let (mut paid, mut killed, mut lost) = (0, 0, 0);
    for number in 0..named.unwrap_or(150) {
        let seed = seed_of(1, number);
        let report = simulate_money(seed, None);
        assert!(report.breach.is_none(), "seed {seed}: {:?}", report.breach);
        paid += report.stats.answers.get("orders paid").copied().unwrap_or_default();
        let fault = |what| report.stats.faults.get(what).copied().unwrap_or_default();
        killed += fault("killed");
        lost += fault("log's end lost");
    }
    let told = format!("{paid} paid, {killed} kills, {lost} losses");
    assert!(paid > 150 && killed > 500 && lost > 50, "{told}: it tries too little");
}

#[test]
fn a_seed_is_the_same_run_for_ever() {
    for seed in [1, 2, 3] {
        assert_eq!(simulate_money(seed, None).hash, simulate_money(seed, None).hash);
    }
}

/// The control: each bug of the saga is found.
#[cfg(feature = "planted")]
#[test]
fn each_planted_bug_is_found() {
    use holdfast_checkout::planted::{Bug, set};
    for bug in Bug::ALL.into_iter().chain([Bug::ForgetsOrders, Bug::ForgetsMoney]) {
        set(Some(bug));
        let found = (0..300).find_map(|number| {
            let breach = simulate_money(seed_of(1, number), None).breach?;
            Some((number + 1, breach))
        });
        set(None);
        let (runs, breach) = found.unwrap_or_else(|| panic!("{bug:?} was not found"));
        println!("{bug:?} is found in run {runs}: {breach}");
    }
}

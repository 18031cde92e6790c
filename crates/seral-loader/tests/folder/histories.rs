//! Random histories of a directory, against what must hold in each: the [scene](super::scene) checks that nothing is deployed that is incomplete, not newer
//! than what is current, or was deployed before, that what is deployed at one look is in order, and that of the same bytes something is told once. Here,
//! that something is told of each file in the end.

use std::time::Duration;

use proptest::prelude::*;

use super::scene::Scene;

#[derive(Clone, Debug)]
enum Act {
    Write(usize, usize),
    Grow(usize),
    Put(usize, usize),
    Rename(usize, usize),
    Touch(usize),
    Remove(usize),
    RollBack,
    EndRollout(bool),
    Pass(u64),
    Look,
}

const NAMES: [&str; 6] = ["a.so", "b.so", "c.so", "d.part", ".e.so", "f.so"];
const BYTES: [&str; 9] =
    ["1.0.0", "1.0.0 other", "1.1.0", "1.2.0", "2.0.0", "2.0.0-rc.1", "1.3.0 fails", "hello", "1.x"];

fn act() -> impl Strategy<Value = Act> {
    let (name, bytes) = (0..NAMES.len(), 0..BYTES.len());
    prop_oneof![
        3 => (name.clone(), bytes.clone()).prop_map(|(name, bytes)| Act::Write(name, bytes)),
        2 => name.clone().prop_map(Act::Grow),
        3 => (name.clone(), bytes).prop_map(|(name, bytes)| Act::Put(name, bytes)),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Act::Rename(from, to)),
        1 => name.clone().prop_map(Act::Touch),
        1 => name.prop_map(Act::Remove),
        1 => Just(Act::RollBack),
        1 => any::<bool>().prop_map(Act::EndRollout),
        2 => (0..1_500_u64).prop_map(Act::Pass),
        6 => Just(Act::Look),
    ]
}

fn play(scene: &mut Scene, act: Act) {
    match act {
        Act::Write(name, bytes) => scene.write(NAMES[name], BYTES[bytes]),
        Act::Grow(name) => scene.grow(NAMES[name]),
        Act::Put(name, bytes) => scene.put(NAMES[name], BYTES[bytes]),
        Act::Rename(from, to) => scene.rename(NAMES[from], NAMES[to]),
        Act::Touch(name) => scene.touch(NAMES[name]),
        Act::Remove(name) => scene.remove(NAMES[name]),
        Act::RollBack => {
            // To the one that was deployed first.
            if let Some((number, _)) = scene.deployed.first() {
                scene.roll_back_to(&number.to_string());
            }
        }
        Act::EndRollout(is_promoted) => scene.end_rollout(is_promoted),
        Act::Pass(millis) => scene.pass(Duration::from_millis(millis)),
        Act::Look => {
            // Time passes between any two things that happen, and writing shows in the time of the file.
            scene.pass(Duration::from_millis(100));
            scene.look();
        }
    }
    scene.pass(Duration::from_millis(1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_file_is_deployed_or_told_of_once(
        ramps in any::<bool>(),
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut scene = Scene::new();
        scene.ramps = ramps;
        for act in acts {
            play(&mut scene, act);
        }
        for _ in 0..12 {
            scene.looks(5);
            scene.end_rollout(true);
        }
        prop_assert_eq!(scene.untold(), Vec::<&str>::new());
        let reads = scene.reads;
        prop_assert_eq!(scene.looks(10), Vec::<String>::new());
        prop_assert_eq!(scene.reads, reads, "what is settled is not read again");
    }
}

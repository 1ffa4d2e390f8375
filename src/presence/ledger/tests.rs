use super::*;

fn member(id: &str) -> PresenceMember {
    PresenceMember { scope: "shop".into(), id: id.into() }
}

/// A ledger with a Redis that knows one node only.
struct Desk {
    ledger: Ledger,
    start: Instant,
}

const GRACE: Duration = Duration::from_secs(2);

impl Desk {
    fn new() -> Self {
        Self { ledger: Ledger::default(), start: Instant::now() }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn enter(&mut self, id: &str) -> oneshot::Receiver<bool> {
        let (waiter, answer) = oneshot::channel();
        self.ledger.enter(&member(id), "facts".into(), waiter);
        answer
    }

    fn leave(&mut self, id: &str, second: u64) {
        let until = self.at(second) + GRACE;
        self.ledger.leave(&member(id), until);
    }

    /// The steps due now, also as text.
    fn steps(&mut self, second: u64) -> (Vec<MemberChange>, String) {
        let now = self.at(second);
        self.ledger.end_graces(now);
        let steps = self.ledger.steps(100);
        let said = steps.iter().map(|step| {
            let sign = match step.what {
                Transition::Came { unsure: false } => '+',
                Transition::Came { unsure: true } => 'p',
                Transition::Went { unsure: false } => '-',
                Transition::Went { unsure: true } => 'm',
            };
            format!("{sign}{}", step.member.id)
        });
        let said = said.collect::<Vec<_>>().join(" ");
        (steps, said)
    }

    /// Carries out the due steps, each answered with `done`; returns the steps and the changes.
    fn run(&mut self, second: u64, done: ChangeResult) -> (String, Vec<(PresenceChange, String)>) {
        let (steps, said) = self.steps(second);
        let answers = vec![done; steps.len()];
        let announcements = self.ledger.done(steps, &answers, self.at(second));
        (said, announcements.into_iter().map(|(change, member, ..)| (change, member.id.to_string())).collect())
    }
}

#[test]
fn redis_gets_only_the_first_and_the_last_connection() {
    let mut desk = Desk::new();
    let mut first = desk.enter("7");
    let mut second = desk.enter("7");
    assert_eq!(desk.run(0, ChangeResult::Changed), ("+7".into(), vec![]));
    assert_eq!((first.try_recv(), second.try_recv()), (Ok(true), Ok(false)));
    desk.leave("7", 1);
    assert_eq!(desk.run(9, ChangeResult::Changed).0, "");
    desk.leave("7", 10);
    assert_eq!(desk.run(11, ChangeResult::Changed).0, "", "within its grace");
    assert_eq!(desk.ledger.count(), 1);
    assert_eq!(desk.run(12, ChangeResult::Changed), ("-7".into(), vec![(PresenceChange::Departed, "7".into())]));
    assert!(desk.ledger.entries.is_empty() && desk.ledger.graces.is_empty());
}

#[test]
fn a_member_that_returns_within_the_grace_was_never_gone() {
    let mut desk = Desk::new();
    drop(desk.enter("7"));
    desk.run(0, ChangeResult::NoChange);
    desk.leave("7", 1);
    let mut again = desk.enter("7");
    assert_eq!(again.try_recv(), Ok(false));
    assert_eq!(desk.run(60, ChangeResult::Changed).0, "");
    desk.leave("7", 60);
    desk.leave("7", 60);
    assert_eq!(desk.run(62, ChangeResult::NoChange), ("-7".into(), vec![]), "a leave without an enter does nothing");
}

#[test]
fn a_departure_is_reported_before_the_arrival_that_overtook_it() {
    let mut desk = Desk::new();
    drop(desk.enter("7"));
    desk.run(0, ChangeResult::NoChange);
    desk.leave("7", 0);
    let (steps, said) = desk.steps(2);
    assert_eq!(said, "-7");
    let mut again = desk.enter("7");
    assert_eq!(desk.steps(2).1, "", "one step of a member at a time");
    let announcements = desk.ledger.done(steps, &[ChangeResult::Changed], desk.at(2));
    assert_eq!(announcements.len(), 1);
    assert!(again.try_recv().is_err(), "not decided yet");
    assert_eq!(desk.run(2, ChangeResult::Changed), ("+7".into(), vec![]));
    assert_eq!(again.try_recv(), Ok(true));
}

#[test]
fn an_arrival_without_a_waiter_goes_to_the_listener() {
    let mut desk = Desk::new();
    drop(desk.enter("7"));
    assert_eq!(desk.run(0, ChangeResult::Changed).1, [(PresenceChange::Arrived, "7".into())]);
}

#[test]
fn a_lost_answer_leaves_a_step_that_can_be_repeated() {
    let mut desk = Desk::new();
    let mut first = desk.enter("7");
    let (steps, _) = desk.steps(0);
    desk.ledger.failed(&steps);
    assert_eq!(first.try_recv(), Ok(false));
    assert_eq!(desk.run(1, ChangeResult::Changed), ("p7".into(), vec![(PresenceChange::Arrived, "7".into())]));
    desk.leave("7", 2);
    let (steps, said) = desk.steps(9);
    assert_eq!(said, "-7");
    desk.ledger.failed(&steps);
    assert_eq!(desk.run(9, ChangeResult::Changed), ("m7".into(), vec![(PresenceChange::Departed, "7".into())]));
    assert!(desk.ledger.entries.is_empty());
}

#[test]
fn a_member_that_came_and_went_during_an_outage_leaves_nothing() {
    let mut desk = Desk::new();
    drop(desk.enter("7"));
    desk.leave("7", 0);
    desk.ledger.end_graces(desk.at(5));
    assert_eq!(desk.run(5, ChangeResult::Changed), (String::new(), vec![]));
    assert!(desk.ledger.entries.is_empty());
}

#[test]
fn after_a_loss_of_data_all_members_are_written_again_and_departures_wait() {
    let mut desk = Desk::new();
    for id in ["here", "grace", "going"] {
        drop(desk.enter(id));
    }
    desk.run(0, ChangeResult::NoChange);
    desk.leave("going", 1);
    let (steps, said) = desk.steps(8);
    assert_eq!(said, "-going");
    desk.leave("grace", 7);
    desk.ledger.put_back(&steps);
    desk.ledger.lost(RejoinReason::Data);
    let (steps, said) = desk.steps(8);
    let mut sorted: Vec<_> = said.split(' ').collect();
    sorted.sort_unstable();
    assert_eq!(sorted, ["+grace", "+here", "mgoing"]);
    let answers: Vec<_> = steps
        .iter()
        .map(|step| match step.what {
            Transition::Came { .. } => ChangeResult::NoChange,
            Transition::Went { .. } => ChangeResult::Held(Duration::from_secs(6)),
        })
        .collect();
    assert!(desk.ledger.done(steps, &answers, desk.at(8)).is_empty());
    assert_eq!(desk.run(9, ChangeResult::Changed), ("-grace".into(), vec![(PresenceChange::Departed, "grace".into())]));
    assert_eq!(
        desk.run(14, ChangeResult::Changed),
        ("mgoing".into(), vec![(PresenceChange::Departed, "going".into())])
    );
    assert_eq!(desk.ledger.entries.len(), 1);
}

#[test]
fn a_member_that_was_taken_over_is_written_again_and_reported_as_back() {
    let mut desk = Desk::new();
    drop(desk.enter("here"));
    drop(desk.enter("grace"));
    desk.run(0, ChangeResult::NoChange);
    desk.leave("grace", 9);
    desk.ledger.lost(RejoinReason::Lease);
    let (steps, _) = desk.steps(9);
    let answers: Vec<_> = steps
        .iter()
        .map(|step| match step.what {
            Transition::Came { .. } => ChangeResult::Changed,
            // The node that took it over has reported it.
            Transition::Went { .. } => ChangeResult::NoChange,
        })
        .collect();
    let announcements = desk.ledger.done(steps, &answers, desk.at(9));
    assert_eq!(announcements.len(), 1);
    assert_eq!((announcements[0].0, &*announcements[0].1.id), (PresenceChange::Arrived, "here"));
    assert_eq!(desk.run(60, ChangeResult::Changed).0, "");
}

#[test]
fn a_member_of_a_dead_node_waits_for_its_return() {
    let mut desk = Desk::new();
    let (now, until) = (desk.at(0), desk.at(2));
    desk.ledger.adopt(&member("gone"), "old".into(), now, until);
    desk.ledger.adopt(&member("back"), "old".into(), now, until);
    let mut back = desk.enter("back");
    assert_eq!(back.try_recv(), Ok(false));
    assert_eq!(desk.run(1, ChangeResult::Changed).0, "");
    assert_eq!(desk.run(2, ChangeResult::Changed), ("-gone".into(), vec![(PresenceChange::Departed, "gone".into())]));
}

#[test]
fn no_entry_of_a_live_node_expires() {
    let mut desk = Desk::new();
    drop(desk.enter("7"));
    desk.run(0, ChangeResult::Changed);
    desk.ledger.rewrite(desk.at(100), Duration::from_secs(200));
    assert_eq!(desk.run(100, ChangeResult::NoChange).0, "");
    desk.ledger.rewrite(desk.at(200), Duration::from_secs(200));
    assert_eq!(desk.run(200, ChangeResult::Changed), ("+7".into(), vec![]), "it was never gone");
    desk.ledger.rewrite(desk.at(300), Duration::from_secs(200));
    assert_eq!(desk.run(300, ChangeResult::NoChange).0, "");
}

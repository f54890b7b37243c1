//! A store that is read and never written, for whoever only wants to know what would be.

use std::sync::Arc;

use super::Acted;
use super::Entry;
use super::Filter;
use super::KeptAnswer;
use super::Order;
use super::Publisher;
use super::Recalled;
use super::Settled;
use super::Settlement;
use super::Store;
use super::Told;
use super::harvested::Harvested;
use crate::address::Domain;
use crate::address::Mailbox;
use crate::gateway::search::Known;
use crate::gateway::search::Owner;
use crate::policy::facts::LookupSource;
use crate::policy::partner::Fingerprint;
use crate::x509::Time;

/// What another store knows. What it is told it takes for kept, and forgets.
#[derive(Clone, Debug)]
pub struct Untouched(pub Arc<dyn Store>);

impl Store for Untouched {
    fn known<'a>(&'a self, owner: &'a Owner) -> Told<'a, Known> {
        self.0.known(owner)
    }

    fn settle<'a>(&'a self, _: &'a Owner, _: Settlement) -> Told<'a, Settled> {
        Box::pin(std::future::ready(Ok(Settled::Kept)))
    }

    fn published<'a>(&'a self, domain: &'a Domain, source: LookupSource) -> Told<'a, Option<Time>> {
        self.0.published(domain, source)
    }

    fn note_published<'a>(&'a self, _: &'a Domain, _: LookupSource, now: Time) -> Told<'a, Time> {
        Box::pin(std::future::ready(Ok(now)))
    }

    fn publishers<'a>(
        &'a self,
        domain: Option<&'a Domain>,
        after: Option<&'a Publisher>,
        most: usize,
    ) -> Told<'a, Vec<Publisher>> {
        self.0.publishers(domain, after, most)
    }

    fn forget_publisher<'a>(
        &'a self,
        _: &'a Domain,
        _: Option<LookupSource>,
    ) -> Told<'a, Vec<Publisher>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn answer<'a>(&'a self, owner: &'a Owner, source: LookupSource) -> Told<'a, Recalled> {
        self.0.answer(owner, source)
    }

    fn keep<'a>(&'a self, _: &'a Owner, _: LookupSource, _: KeptAnswer) -> Told<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn harvest(&self, most: usize) -> Told<'_, Vec<Harvested>> {
        self.0.harvest(most)
    }

    fn shorten_harvest(&self, _: usize) -> Told<'_, usize> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn keep_harvest<'a>(&'a self, _: Vec<Harvested>, _: Vec<Mailbox>) -> Told<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn list<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<u64>,
        most: usize,
    ) -> Told<'a, Vec<Entry>> {
        self.0.list(filter, after, most)
    }

    fn show<'a>(&'a self, fingerprint: &'a Fingerprint) -> Told<'a, Vec<Entry>> {
        self.0.show(fingerprint)
    }

    fn act<'a>(&'a self, _: Order) -> Told<'a, Acted> {
        let reason = "this store is only looked at".to_owned();
        Box::pin(std::future::ready(Ok(Acted::Refused(reason))))
    }

    fn generation(&self) -> Told<'_, u64> {
        self.0.generation()
    }

    fn pending(&self) -> Told<'_, u64> {
        self.0.pending()
    }
}

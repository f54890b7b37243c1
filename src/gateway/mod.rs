//! One message from arrival to outcome: five steps, each of which takes what the one before made.
//!
//! [`transaction`] → `open` → [`arrival`] → [`gather`] → [`decide`] → `seal` → [`outcome`]. [`gather`]
//! alone waits, [`decide`] is pure; nothing here reads a clock, a file or the environment.

pub mod announced;
pub mod arrival;
mod associated;
pub mod association;
pub mod certificates;
pub mod choice;
pub mod choose;
pub mod chooser;
mod content;
pub mod decide;
mod delivery;
pub mod edition;
mod flags;
pub mod gather;
pub mod judge;
mod judged;
pub mod learned;
mod make;
pub mod marks;
mod needed;
pub mod open;
pub mod outcome;
mod parts;
pub mod recipient;
pub mod record;
pub mod replay;
pub mod roles;
pub mod seal;
pub mod search;
mod shares;
pub mod shown;
pub mod site;
pub mod transaction;
pub mod unmet;

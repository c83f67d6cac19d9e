//! What the checks of the money rest on, of all sales of the rehearsal together.

use tokio::time::sleep;

use crate::checkout::{Paying, Settled, Way};
use crate::run::answer;
use crate::shop::Shop;
use crate::verdict::count::{LOOK_EVERY, LOOKS};
use crate::watch::tier;
use crate::wire::{MoneyCount, Order, Orders};

/// Orders that are read of one sale, at most: no rehearsal has more.
const PAGES_MAX: u32 = 20_000;

/// What is known of the money.
pub(super) struct Evidence<'a> {
    /// What payers were told.
    pub(super) ways: Vec<&'a Way>,
    /// The list of orders; `None`: not all of it could be read.
    pub(super) orders: Option<Vec<Order>>,
    /// What the server's audits counted; `None`: one of them could not be read.
    pub(super) counted: Option<MoneyCount>,
    /// Units sold, as the public view tells; `None`: one could not be read.
    pub(super) sold: Option<u64>,
    /// What could not be read, and why.
    pub(super) unread: Vec<String>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(paying: &'a Paying) -> Self {
        let ways = paying.ways.iter().chain(&paying.late_ways).collect();
        let (orders, counted, sold) = (Some(Vec::new()), Some(MoneyCount::default()), Some(0));
        Self { ways, orders, counted, sold, unread: Vec::new() }
    }

    /// Reads what one sale has to say.
    pub(super) async fn read(&mut self, shop: &Shop, settled: &Settled) {
        let counted = match settled {
            Settled::Audited(audit) => audit.money.ok_or("it says nothing of money".to_owned()),
            Settled::No(why) => Err(why.clone()),
        };
        let counted = self.or_unread("the server's audit of the money", counted);
        self.counted = self.counted.zip(counted).map(|(all, one)| all.and(one));
        let read = orders(shop).await;
        let read = self.or_unread("the list of orders", read);
        let of_sale = read.as_ref().map(|read| read.iter().filter(|o| has_unit(o)).count() as u64);
        if let (Some(orders), Some(read)) = (&mut self.orders, read) {
            orders.extend(read);
        } else {
            self.orders = None;
        }
        let sold = sold(shop, of_sale).await;
        let sold = self.or_unread("the public view after the checkout", sold);
        self.sold = self.sold.zip(sold).map(|(all, one)| all + one);
    }

    fn or_unread<T>(&mut self, what: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.unread.push(format!("{what}: {why}"))).ok()
    }

    /// Orders that are paid.
    pub(super) fn paid(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter().flatten().filter(|order| order.status == "paid")
    }

    /// What they cost together, in minor units.
    pub(super) fn paid_amount(&self) -> u64 {
        self.paid().map(|order| order.total.amount).sum()
    }
}

/// Whether an order has a unit.
pub(super) fn has_unit(order: &Order) -> bool {
    matches!(order.status.as_str(), "authorised" | "paid")
}

async fn orders(shop: &Shop) -> Result<Vec<Order>, String> {
    let (mut orders, mut after) = (Vec::new(), None::<String>);
    for _ in 0..PAGES_MAX {
        let said = answer(shop, shop.orders(after.as_deref()), 0).await;
        let said = said.map_err(|failure| failure.to_string())?;
        if said.status != 200 {
            return Err(format!("it said {}", said.summary()));
        }
        let page: Orders = serde_json::from_slice(&said.body).map_err(|e| e.to_string())?;
        orders.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(orders);
        }
    }
    Err("it has no end".into())
}

/// Units sold in the public view, which has some time to catch up with what is `expected`.
async fn sold(shop: &Shop, expected: Option<u64>) -> Result<u64, String> {
    let mut look = 0;
    loop {
        let said = answer(shop, Ok(shop.view()), 0).await.map_err(|e| e.to_string())?;
        let tier = tier(&said).ok_or_else(|| said.summary())?;
        let sold = u64::try_from(tier.sold).map_err(|_| format!("{} sold", tier.sold))?;
        look += 1;
        if Some(sold) == expected || look >= LOOKS {
            return Ok(sold);
        }
        sleep(LOOK_EVERY).await;
    }
}

impl MoneyCount {
    fn and(self, other: Self) -> Self {
        Self {
            paid: self.paid + other.paid,
            paid_amount: self.paid_amount + other.paid_amount,
            captured: self.captured + other.captured,
            captured_amount: self.captured_amount + other.captured_amount,
            under_way: self.under_way + other.under_way,
        }
    }
}

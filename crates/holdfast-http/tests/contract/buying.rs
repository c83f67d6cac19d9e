//! What buyers do at the checkout, and what happens to the ledger behind the checkout's back.

use holdfast_core::{BuyerId, Currency, HoldKey, Money, OrderName, SaleId, TierId};
use holdfast_ledger::{Fence, Ledger, NewOrder, OrderId, SqlLedger};
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::support::{Shop, eventually, now, receipts};

impl Shop {
    /// Reserves and takes the hold to the checkout, with such a body; the hold's address.
    pub(crate) async fn check_out(
        &self,
        name: &str,
        quantity: u32,
        body: Value,
    ) -> (String, (StatusCode, Value)) {
        let (status, hold) = self.reserve(name, "ga", quantity).await;
        assert!(status.is_success(), "{hold}");
        let path = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
        let answer = self.buyer(name, "POST", &format!("{path}/checkout"), body).await;
        (path, answer)
    }

    /// Waits until a hold's payment has this status.
    pub(crate) async fn payment(&self, hold: &str, status: &str) -> Value {
        let look = async || {
            let (_, hold) = self.merchant("GET", hold, Value::Null).await;
            (hold["payment"]["status"] == status).then_some(hold)
        };
        eventually(&format!("the payment is {status}"), look).await
    }

    /// Waits until a hold is paid.
    pub(crate) async fn paid(&self, hold: &str) -> Value {
        self.payment(hold, "paid").await
    }

    /// Waits until an order is paid, and the engine knows it.
    pub(crate) async fn paid_order(&self, id: &str) {
        let (_, order) = self.merchant("GET", &format!("/v1/orders/{id}"), Value::Null).await;
        self.paid(&format!("/v1/holds/{}", order["hold"].as_str().unwrap())).await;
    }

    /// A paid order of a buyer: its address, and that of its hold.
    pub(crate) async fn buy(&self, name: &str, quantity: u32) -> (String, String) {
        let (hold, answer) = self.check_out(name, quantity, Value::Null).await;
        assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
        let order = self.paid(&hold).await["order"].as_str().unwrap().to_owned();
        (format!("/v1/orders/{order}"), hold)
    }

    /// The ledger, beside the checkout's own way to it, and the reign over the sale.
    async fn ledger(&self) -> (SqlLedger, Fence) {
        let ledger = SqlLedger::sqlite(&self.till.as_ref().unwrap().ledger).await.unwrap();
        let sale = SaleId::new("club").unwrap();
        let reigns = ledger.reigns().await.unwrap();
        let epoch = reigns.into_iter().find(|(id, _)| *id == sale).map_or(1, |(_, epoch)| epoch);
        (ledger, Fence { sale, epoch })
    }

    /// Records orders of which nobody else knows, with so much metadata each.
    pub(crate) async fn record(&self, orders: u64, bytes: usize) {
        let (ledger, fence) = self.ledger().await;
        ledger.reign(fence).await.unwrap();
        let tier = TierId::new("ga").unwrap();
        ledger.set_capacity(fence, tier, 1_000_000).await.unwrap().unwrap();
        let metadata = (bytes > 0).then(|| json!({ "x": "y".repeat(bytes) }).to_string());
        let order = |number| {
            let hold = HoldKey::from_number(number);
            NewOrder {
                id: OrderId::new(OrderName { sale: 1, hold }.id(&receipts())).unwrap(),
                hold,
                buyer: BuyerId::new("alice").unwrap(),
                tier,
                quantity: 1,
                total: Money { amount: 4_500, currency: Currency::new("EUR").unwrap() },
                provider: "simulated".to_owned(),
                payment: format!("hold_{number}"),
                metadata: metadata.clone(),
            }
        };
        // No hold of the engine has such a number so soon.
        let orders: Vec<_> = (0..orders).map(|number| order((1 << 40) + number)).collect();
        ledger.record(fence, &orders, now() * 1_000).await.unwrap();
    }

    /// Another server reigns over the sale, as far as the ledger knows.
    pub(crate) async fn take_the_reign_away(&self) {
        let (ledger, fence) = self.ledger().await;
        ledger.reign(Fence { epoch: 1_000, ..fence }).await.unwrap();
    }

    /// Takes the ledger's tables away.
    pub(crate) async fn break_the_ledger(&self) {
        let file = &self.till.as_ref().unwrap().ledger;
        let options = SqliteConnectOptions::new().filename(file);
        let mut database = SqliteConnection::connect_with(&options).await.unwrap();
        for sql in ["ALTER TABLE orders RENAME TO gone", "ALTER TABLE tiers RENAME TO lost"] {
            sqlx::query(sql).execute(&mut database).await.unwrap();
        }
    }
}

//! The description of the interface: whole, true, and with examples that work. That it is true is
//! checked of every answer in these tests (`Shop::send`); here are the controls of that.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::{Body, Bytes};
use holdfast_api::Code;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::checker::Description;
use crate::support::{KEY, Shop, WEBHOOK_SECRET, now, read, token, webhook};

#[tokio::test]
async fn the_description_is_served() {
    let shop = Shop::new();
    let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
    let answer = shop.send(request).await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=60");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(&document, Description::served().document());
}

/// An address of this form: what varies stands for itself.
fn address(form: &str) -> String {
    form.replace(['{', '}'], "")
}

#[tokio::test]
async fn what_is_described_is_there_and_no_method_more() {
    let shop = Shop::new();
    let mut methods = BTreeMap::<_, Vec<_>>::new();
    for (path, method, _) in Description::served().operations() {
        methods.entry(path).or_default().push(method.to_ascii_uppercase());
    }
    for (path, mut described) in methods {
        if described.iter().any(|method| method == "GET") {
            described.push("HEAD".to_owned());
        }
        // What is not allowed is answered with what is.
        let request = Request::builder().method("TRACE").uri(address(path));
        let answer = shop.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allowed = answer.headers()[header::ALLOW].to_str().unwrap().split(',');
        let allowed: BTreeSet<_> = allowed.map(str::to_owned).collect();
        assert_eq!(allowed, described.into_iter().collect(), "{path}");
    }
}

#[test]
fn every_code_is_answered_somewhere() {
    let document = Description::served().document();
    let elsewhere = document["components"]["responses"].as_object().unwrap();
    let answers = Description::served()
        .operations()
        .flat_map(|(_, _, operation)| operation["responses"].as_object().unwrap().values());
    let mut seen = BTreeSet::new();
    for answer in answers.chain(elsewhere.values()) {
        let codes = answer.pointer("/content/application~1problem+json/schema/properties/code");
        let codes = codes.map(|codes| codes["enum"].as_array().unwrap());
        let codes = codes.into_iter().flatten().map(|code| code.as_str().unwrap());
        seen.extend(codes);
    }
    let register: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(seen, register);
}

#[test]
fn what_varies_in_an_address_is_described() {
    for (path, method, operation) in Description::served().operations() {
        let varies = path.split('/').filter(|part| part.starts_with('{')).map(address);
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none).iter();
        let described = parameters
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned());
        assert!(varies.eq(described), "{method} {path}");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_every_link_leads_to_one() {
    let described = Description::served().operations();
    let names: Vec<_> = described.map(|(.., operation)| &operation["operationId"]).collect();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{name}");
    }
    let mut links = 0;
    for (.., operation) in Description::served().operations() {
        let answers = operation["responses"].as_object().unwrap().values();
        for link in answers.filter_map(|answer| answer["links"].as_object()).flatten() {
            assert!(names.contains(&&link.1["operationId"]), "{link:?}");
            links += 1;
        }
    }
    assert!(links > 0);
}

/// Every operation, in an order in which each can be done: a buyer gives a hold back and pays for
/// another, a merchant returns the money.
const STORY: [&str; 25] = [
    "put_sale",
    "list_sales",
    "get_sale",
    "open_sale",
    "reserve",
    "get_me",
    "list_holds",
    "cancel_hold",
    "reserve",
    "check_out",
    "hear_webhook",
    "get_hold",
    "get_order",
    "list_orders",
    "patch_tier",
    "refund_order",
    "pause_sale",
    "resume_sale",
    "audit_sale",
    "close_sale",
    "forget_buyer",
    "get_health",
    "get_readiness",
    "get_metrics",
    "get_description",
];

/// Asks as everyone whom the operation has an example for. The first answer.
async fn try_examples(
    shop: &Shop,
    operation: &Value,
    method: &str,
    path: &str,
) -> (StatusCode, Value) {
    let id = &operation["operationId"];
    let examples = &operation["requestBody"]["content"]["application/json"]["examples"];
    let requests: Vec<(String, Value)> = match examples.as_object() {
        Some(all) => all.iter().map(|(who, it)| (who.clone(), it["value"].clone())).collect(),
        None => {
            let who = operation["security"][0].as_object().and_then(|who| who.keys().next());
            vec![(who.cloned().unwrap_or_default(), Value::Null)]
        }
    };
    assert!(!requests.is_empty(), "{id} has no example");
    let mut answers = Vec::new();
    for (who, body) in requests {
        let credential = match who.as_str() {
            "buyer" => token("alice"),
            "merchant" => KEY.to_owned(),
            _ => String::new(),
        };
        let method = method.to_ascii_uppercase();
        let answer = match who.as_str() {
            "provider" => {
                read(shop.send(webhook(&body.to_string(), now(), WEBHOOK_SECRET)).await).await
            }
            _ => shop.ask(&credential, &method, path, body).await,
        };
        assert!(answer.0.is_success(), "{id}, as {who}: {answer:?}");
        answers.push(answer);
    }
    answers.swap_remove(0)
}

#[test]
fn a_hold_is_shown_as_everyone_asks_for_it_who_may() {
    let document = Description::served().document();
    let reserve = &document["paths"]["/v1/sales/{sale}/holds"]["post"];
    let examples = &reserve["requestBody"]["content"]["application/json"]["examples"];
    let shown: Vec<_> = examples.as_object().unwrap().keys().collect();
    let may = reserve["security"].as_array().unwrap().iter();
    let may: Vec<_> = may.flat_map(|who| who.as_object().unwrap().keys()).collect();
    assert_eq!(shown, may);
}

#[tokio::test]
async fn the_examples_work() {
    let shop = Shop::new();
    let operations: BTreeMap<_, _> = Description::served()
        .operations()
        .map(|(path, method, operation)| {
            (operation["operationId"].as_str().unwrap(), (path, method, operation))
        })
        .collect();
    assert_eq!(operations.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(STORY));
    // What earlier answers give to later requests: by operation and parameter.
    let mut given = BTreeMap::<(String, String), String>::new();
    for id in STORY {
        let (path, method, operation) = operations[id];
        let mut path = path.to_owned();
        let none = Vec::new();
        for parameter in operation["parameters"].as_array().unwrap_or(&none) {
            let name = parameter["name"].as_str().unwrap();
            let example = || parameter["example"].as_str().map(str::to_owned);
            let value = given.get(&(id.to_owned(), name.to_owned())).cloned().or_else(example);
            if let Some(value) = value {
                path = path.replace(&format!("{{{name}}}"), &value);
            }
        }
        if id == "get_hold" {
            shop.paid(&path).await;
        }
        let (status, answer) = try_examples(&shop, operation, method, &path).await;
        let links = &operation["responses"][status.as_str()]["links"];
        for link in links.as_object().into_iter().flat_map(|links| links.values()) {
            for (name, expression) in link["parameters"].as_object().unwrap() {
                let pointer = expression.as_str().unwrap().strip_prefix("$response.body#").unwrap();
                let value = answer.pointer(pointer).unwrap().as_str().unwrap().to_owned();
                let to = link["operationId"].as_str().unwrap().to_owned();
                given.insert((to, name.clone()), value);
            }
        }
    }
}

const RESERVED: &str = "/paths/~1v1~1sales~1{sale}~1holds/post/responses";

/// The checker's control: what it says of a hold and of a refusal when the description is false.
#[tokio::test]
async fn a_false_description_is_caught() {
    let shop = Shop::open(1, 300).await;
    let reserve = || {
        let request = Request::post("/v1/sales/club/holds")
            .header("authorization", format!("Bearer {}", token("alice")))
            .header("content-type", "application/json")
            .body(Body::from(json!({ "tier": "ga", "quantity": 2 }).to_string()));
        shop.send(request.unwrap())
    };
    let refusal = reserve().await;
    let (head, body) = refusal.into_parts();
    let refusal = Response::from_parts(head, body.collect().await.unwrap().to_bytes());
    let problem = format!("{RESERVED}/409/content/application~1problem+json/schema");
    for (what, pointer, lie, words) in [
        ("a status that is not said", RESERVED.to_owned(), json!({ "201": {} }), "its status"),
        (
            "another type",
            format!("{RESERVED}/409/content"),
            json!({ "text/plain": {} }),
            "its type",
        ),
        ("another code", format!("{problem}/properties/code/enum"), json!(["paused"]), "/code"),
        (
            "another status inside",
            format!("{problem}/properties/status"),
            json!({ "const": 400 }),
            "/status",
        ),
        ("a header more", format!("{RESERVED}/409/headers"), json!({ "X-Hold": {} }), "no X-Hold"),
        (
            "another header",
            format!("{RESERVED}/409/headers/Cache-Control/schema"),
            json!({ "const": "public" }),
            "Cache-Control",
        ),
        (
            "a field more",
            "/components/schemas/Problem/required".to_owned(),
            json!(["colour"]),
            "colour",
        ),
        (
            "another type of field",
            "/components/schemas/Problem/properties/free/type".to_owned(),
            json!("string"),
            "/free",
        ),
    ] {
        let mut document = Description::served().document().clone();
        *document.pointer_mut(&pointer).unwrap() = lie;
        let check = |answer: &Response<Bytes>| {
            Description::of(document).check(&Method::POST, "/v1/sales/club/holds", answer)
        };
        let why = check(&refusal).expect_err(what);
        assert!(why.contains(words), "{what}: {why}");
    }
    let served = Description::served();
    assert_eq!(served.check(&Method::POST, "/v1/sales/club/holds", &refusal), Ok(()));
    // Nor is it described as the answer of anything else.
    for (method, path) in [
        (Method::GET, "/v1/sales/club"),
        (Method::POST, "/v2"),
        (Method::DELETE, "/v1/sales/club/holds"),
    ] {
        assert!(served.check(&method, path, &refusal).is_err(), "{method} {path}");
    }
    let body = json!({ "tier": "ga", "quantity": 2, "colour": "red" });
    assert!(served.check_request("POST", "/v1/sales/club/holds", &body).is_err());
}

//! Every check of the library is taken out once, and something must notice.

use crate::script;
use crate::several::{self, Model};
use crate::side::{LIBRARY, Modelled};

/// What is in the library, and what is put there instead.
const CHECKS: [(&str, &str); 91] = [
    // What every call has to pass.
    ("if not reign then return { 'NO_REIGN', 0 } end", ""),
    ("args[1] ~= reign.token or", ""),
    (" or args[2] ~= reign.epoch_text", ""),
    ("if process() ~= reign.replid then", "if false then"),
    ("    reign = nil\n", ""),
    ("string.find(info, 'role:master', 1, true) and ", ""),
    ("if not reign.roll[args[3]] and not joins then return { 'NOT_ON_ROLL' } end", ""),
    ("own.calls = own.calls + 1", ""),
    ("if #keys ~= count then", "if false then"),
    ("#value <= 16 and ", ""),
    ("string.find(value, '^%d+$') and ", ""),
    (" or number > (most or EXACT - 1)", ""),
    ("number > (most or EXACT - 1)", "number > EXACT - 1"),
    ("return value or fail(what .. ' is missing')", "return value"),
    // A reign begins.
    ("if not replid then fail('a replica does not reign') end", ""),
    ("if has[1] and has[1] ~= owner then return { 'OWNED', has[1] } end", ""),
    ("math.max(tonumber(has[2] or 0), reign and reign.epoch or 0)", "reign and reign.epoch or 0"),
    ("math.max(tonumber(has[2] or 0), reign and reign.epoch or 0)", "tonumber(has[2] or 0)"),
    ("if highest > epoch or (", "if ("),
    (" or (highest == epoch and not is_own)", ""),
    ("reign.token == token and reign.epoch == epoch", "reign.epoch == epoch"),
    ("and reign.epoch == epoch and", "and"),
    ("and reign.replid == replid\n", "\n"),
    ("if is_own then return { 'OK', replid } end", ""),
    ("  redis.call('HSET', keys[1], 'owner', owner, 'epoch', text(epoch))\n", ""),
    // A log that has to be open, or not to be.
    ("if not head then return { 'NOT_OPEN' } end", "head = head or 0"),
    ("if epoch ~= reign.epoch or last ~= head or not", "if last ~= head or not"),
    ("if epoch ~= reign.epoch or last ~= head or not", "if epoch ~= reign.epoch or not"),
    ("last ~= head or not is_there(stream, last, trimmed) then", "last ~= head then"),
    ("last ~= expected or not is_there(keys[2], last, trimmed) then", "last ~= expected then"),
    ("if not is_there(keys[2], last, trimmed) then return { 'OK', 0, 0, 0, 0 } end", ""),
    ("if not top then return last == trimmed end", "if not top then return true end"),
    ("if reign.head[log] then return { 'OPEN' } end", ""),
    ("if from_epoch >= reign.epoch then fail('from_epoch is not of the past') end", ""),
    ("if epoch > from_epoch then return { 'FENCED', epoch } end", ""),
    // The clock.
    ("math.max(clock, math.min(wanted, clock + STEP))", "math.min(wanted, clock + STEP)"),
    ("math.max(clock, math.min(wanted, clock + STEP))", "math.max(clock, wanted)"),
    // Writing back.
    ("if last ~= base or epoch ~= base_epoch then", "if epoch ~= base_epoch then"),
    ("if last ~= base or epoch ~= base_epoch then", "if last ~= base then"),
    ("or snapshots(keys[1]).epoch", "or 0"),
    ("whole(args[i + 2], 'e', from_epoch)", "whole(args[i + 2], 'e')"),
    ("if n == 0 or to - n < last", "if to - n < last"),
    ("if n == 0 or to - n < last or", "if n == 0 or"),
    (" or e < epoch or", " or"),
    (" or c < clock then", " then"),
    ("    last, epoch, clock = to, e, c\n", "    last = to\n"),
    ("if done == 1 then reign.duties[log] = nil end", ""),
    ("if done == 1 then", "if true then"),
    ("whole(args[7], 'epoch', from_epoch)", "whole(args[7], 'epoch')"),
    (
        "redis.call('DEL', keys[1], keys[2], keys[3], keys[4])",
        "redis.call('DEL', keys[1], keys[2])",
    ),
    ("if sequence == 0 then clock = 0 end", ""),
    ("if not reign.roll[args[5]] then return { 'GONE' } end", ""),
    // Opening.
    ("if epoch >= reign.epoch then return { 'FENCED', epoch } end", ""),
    ("if epoch >= reign.epoch then return", "if epoch > reign.epoch then return"),
    ("if last ~= expected or not", "if not"),
    ("    if not refusal then touch(keys[1], last) end\n", ""),
    ("    return refusal or { 'OK', last, clock }\n", "    return { 'OK', last, clock }\n"),
    // Appending.
    ("if last < math.max(seen, cursor) then", "if last < cursor then"),
    ("if last < math.max(seen, cursor) then", "if last < seen then"),
    ("if cursor < trimmed then return { 'TRIMMED', trimmed } end", ""),
    ("  reign.roll[args[3]].seen[log] = cursor\n", ""),
    ("return { 'BEHIND', others }", ""),
    ("    touch(keys[1], last)\n    return { 'BEHIND'", "    return { 'BEHIND'"),
    ("  else\n    touch(keys[1], last)\n", ""),
    ("n > 0 and (#others == 0 or only_if_current == 0)", "n > 0"),
    ("n > 0 and (#others == 0 or only_if_current == 0)", "#others == 0 or only_if_current == 0"),
    ("if node then return { 'LAGGING', node } end", "reign.roll[args[3]].seen[log] = cursor"),
    ("its.seen[log] and math.max(its.seen[log], reign.opened[log])", "its.seen[log]"),
    (
        "its.seen[log] and math.max(its.seen[log], reign.opened[log])",
        "math.max(its.seen[log] or 0, reign.opened[log])",
    ),
    ("redis.pcall('HSET', keys[3]", "redis.call('HSET', keys[3]"),
    ("  reign = nil\n  return { 'ROLLED_BACK', to }", "  return { 'ROLLED_BACK', to }"),
    ("if not has_all then return rolled_back(reign.count) end", ""),
    // News, snapshots, trimming.
    ("if reign.count - after <= RECENT then", "if true then"),
    ("or fail('the snapshot is gone')", "or ''"),
    ("if sequence > last then return { 'BEYOND', last } end", ""),
    ("if sequence <= newest.sequence then return { 'OK', 0 } end\n  local id", "local id"),
    ("if sequence <= newest.sequence then return { 'OK', 0 } end\n  return put", "return put"),
    ("if its and not is_own and reign.roll[its.node] then return { 'BUSY', its.node } end", ""),
    ("and reign.roll[its.node] then return { 'BUSY'", "then return { 'BUSY'"),
    ("    redis.call('HDEL', keys[1], 'snapshot_' .. older.slot)\n", ""),
    ("if not is_own or its.sequence ~= sequence", "if is_own and its.sequence ~= sequence"),
    (" or its.sequence ~= sequence or its.length", " or its.length"),
    (" or its.length ~= at then", " then"),
    ("  reign.pieces[log] = nil\n", ""),
    ("if not batch or batch[2][4] ~= text(epoch) then", "if not batch then"),
    ("if found[2].sequence > found[1].sequence then return found[2], found[1] end", ""),
    ("local to = older.sequence\n", "local to = last\n"),
    ("to = math.min(to, its.seen[log] or 0) end", "to = math.min(to, its.seen[log] or to) end"),
    ("    if not its.watches then to = math.min", "    if true then to = math.min"),
    ("if not reign.roll[node].watches then", "if true then"),
    // The roll.
    ("if reign.left[who] then return { 'NOT_ON_ROLL' } end", ""),
];

#[test]
fn each_check_is_needed() {
    let unnoticed = CHECKS.iter().filter(|(check, instead)| {
        assert_eq!(LIBRARY.matches(check).count(), 1, "not once there: {check}");
        let without = LIBRARY.replace(check, instead);
        script::play(&mut Modelled::new(), &without).is_ok()
            && several::play(&mut Model::new(), &without).is_ok()
    });
    let unnoticed: Vec<_> = unnoticed.collect();
    assert!(unnoticed.is_empty(), "nothing noticed that these were gone: {unnoticed:#?}");
}

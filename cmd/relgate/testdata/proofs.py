"""What docs/verify.py must refuse. Run by prove_test.go: python3 proofs.py VERIFY BUNDLE KEYS SECRET FLIPS"""
import base64, hashlib, importlib.util, json, random, sys

spec = importlib.util.spec_from_file_location('verify', sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)
raw, keys = open(sys.argv[2], 'rb').read(), verify.read_keys(open(sys.argv[3], 'rb').read())
secret, flips = json.load(open(sys.argv[4]))['keys'][0], int(sys.argv[5])


def refused(what, changed, says='', keys=keys, heads=()):
    try:
        verify.verify(changed, keys, heads)
    except verify.Refused as e:
        if says not in str(e):
            print('%s: refused for another reason: %s' % (what, e))
        return
    except Exception as e:
        print('%s: %r' % (what, e))
        return
    print('%s: VERIFIED' % what)


def sign(message):
    """RFC 8032 section 5.1.6."""
    h = hashlib.sha512(base64.urlsafe_b64decode(secret['d'] + '=')).digest()
    a = int.from_bytes(h[:32], 'little') & (2**254 - 8) | 2**254
    compress = lambda p: (lambda z: (p[1] * z % verify.P | (p[0] * z % verify.P & 1) << 255).to_bytes(32, 'little'))(pow(p[2], verify.P - 2, verify.P))
    number = lambda *parts: int.from_bytes(hashlib.sha512(b''.join(parts)).digest(), 'little') % verify.L
    public, r = compress(verify.times(a, verify.BASE)), number(h[32:], message)
    first = compress(verify.times(r, verify.BASE))
    return first + ((r + number(first, public, message) * a) % verify.L).to_bytes(32, 'little')


def linked(bundle):
    """Makes the chain again, as who can write the journal can."""
    before = ''
    for n, t in enumerate(bundle['ticks'], 1):
        t['seq'] = n
        before = t['link'] = verify.link(before, bundle['run'], n, t['digest'], t['tick'], t['events'])
    return before


def lie(change, resign=True, statement=lambda s: None):
    """The bundle with a change, linked and signed again, as who has the journal and the key can."""
    b = json.loads(raw)
    change(b)
    head = linked(b)
    for name in ('svr', 'testResult'):
        s = json.loads(base64.b64decode(b[name]['payload']))
        s['subject'][0]['digest']['sha256'], s['subject'][0]['annotations']['ticks'] = head, len(b['ticks'])
        s['subject'][0]['annotations']['asOf'] = json.loads(b['ticks'][-1]['tick'])['at']
        statement(s)
        payload = verify.canonical(s)
        kind = b[name]['payloadType'].encode()
        sig = sign(b'DSSEv1 %d %s %d %s' % (len(kind), kind, len(payload), payload))
        if resign:
            b[name] = {'payload': base64.b64encode(payload).decode(), 'payloadType': kind.decode(),
                       'signatures': [{'keyid': secret['kid'], 'sig': base64.b64encode(sig).decode()}]}
    return verify.canonical(b)


def edit(bundle, kind, change):
    """Changes the events of a kind, and the JSON of the first reading's counts."""
    for t in bundle['ticks']:
        for i, text in enumerate(t['events']):
            e = json.loads(text)
            if e['kind'] == kind and change(e):
                t['events'][i] = json.dumps(e)
                return
    raise SystemExit('no event of kind ' + kind)


def counts(bundle):
    """Ten bad requests less in a period that a verdict rests on."""
    fired = next(e for t in bundle['ticks'] for e in map(json.loads, t['events']) if e['to'] == 'fired')
    period = verify.seconds(fired['evidence']['from']) + 60
    for t in bundle['ticks']:
        tick, hit = json.loads(t['tick']), False
        for r in tick.get('readings', []):
            for p in r.get('points', []):
                if r['signal'] == 0 and p['t'] == period:
                    p['v'], hit = p['v'] - 10, True
        if hit:
            t['tick'] = json.dumps(tick)


def said(**fields):
    def change(e):
        hit = e['to'] == 'fired'
        if hit:
            e['evidence'].update(fields)
        return hit
    return lambda b: edit(b, 'rule', change)


def unfired(e):
    hit = e['to'] == 'fired'
    e['to'] = 'clear'
    return hit


def failed(e):
    hit = e['to'] == 'pass' and e['phase'] == 'lambda-10'
    e['to'] = 'fail'
    return hit


b = json.loads(raw)
lines = verify.verify(raw, keys, [(t['seq'], t['link']) for t in b['ticks'][::50]])
print('\n'.join(lines), file=sys.stderr)

# Who has not the key.
refused('white space', raw + b'\n', 'the one way')
refused('a key twice', raw[:-1] + b',"type":"relgate-bundle/v1"}', 'the one way')
refused('an escape that needs none', raw.replace(b'"type":"relgate', b'"type":"\\u0072elgate'), 'the one way')
refused('a field more', raw[:-1] + b',"zzz":1}', 'other fields')
refused('no bundle', b'[]', 'other fields')
refused('a deep one', b'[' * 100000, 'not JSON')
refused('keys that know nothing of it', raw, 'none of those', keys={})
refused('another key under its name', raw, 'signature', keys={secret['kid']: base64.urlsafe_b64decode('IlL_p4xV6y6hY5hYHq0P2b5B1nK1b9R2gX2D1xM6V1E=')})
refused('another head was told', raw, 'has not the link', heads=[(7, '0' * 64)])
refused('a head of a tick that is not there', raw, 'has not the link', heads=[(len(b['ticks']) + 1, b['ticks'][-1]['link'])])
for relink in (False, True):
    for what, change in {
        'a tick dropped': lambda t: t.pop(9), 'the last dropped': lambda t: t.pop(), 'the first dropped': lambda t: t.pop(0),
        'a tick added': lambda t: t.insert(9, dict(t[9])), 'one added at the end': lambda t: t.append(dict(t[-1])),
        'two ticks exchanged': lambda t: t.insert(9, t.pop(10)), 'all turned round': lambda t: t.reverse(),
    }.items():
        c = json.loads(raw)
        change(c['ticks'])
        if relink:
            linked(c)
        refused('%s, linked again: %s' % (what, relink), verify.canonical(c))
c = json.loads(raw)
c['svr'], c['testResult'] = c['testResult'], c['svr']
refused('the statements exchanged', verify.canonical(c), 'of another type')
c = json.loads(raw)
c.pop('testResult')
refused('the test result left out', verify.canonical(c), 'leaves out')
c = json.loads(raw)
c['svr']['signatures'].append(c['svr']['signatures'][0])
refused('a signature twice', verify.canonical(c), 'signature')

# Who has it, and lies about what follows from the counts. The first is no lie.
verify.verify(lie(lambda b: None), keys)
refused('other counts', lie(counts), 'the readings have')
refused('other samples', lie(said(samples=1e6)), 'samples')
refused('another value', lie(said(value=0.5)), 'is not its value')
refused('other periods', lie(said(points=99)), 'periods')
refused('a rule that did not fire', lie(lambda b: edit(b, 'rule', unfired)), 'no rule fired')
refused('a phase that passed on a failure', lie(lambda b: edit(b, 'rule', failed)), 'success rule')
late = max(i for i, t in enumerate(b['ticks'][:-5]) if t['events'])
refused('an event left out', lie(lambda b: b['ticks'][late]['events'].pop(0)), 'not the next event')
refused('a tick with a verdict left out', lie(lambda b: b['ticks'].pop(late)))
refused('a pass that is none', lie(lambda b: None, statement=lambda s: s['predicate'].get('properties', []).append('RELGATE_RUN_PASSED')), 'which has not')
refused('another version', lie(lambda b: None, statement=lambda s: s['subject'][0]['annotations'].update(version='9.9.9')), 'another run or version')
refused('another result', lie(lambda b: None, statement=lambda s: s['predicate'].update(result='PASSED') if 'result' in s['predicate'] else None), 'not what the events say')
refused('a rule that passed after all', lie(lambda b: None, statement=lambda s: s['predicate'].get('failedTests', []).clear()), 'other rules')
refused('linked again, not signed again', lie(counts, resign=False), 'another head')

r = random.Random(12)
for _ in range(flips):
    bit, c = r.randrange(len(raw) * 8), bytearray(raw)
    c[bit // 8] ^= 1 << bit % 8
    refused('bit %d flipped' % bit, bytes(c))

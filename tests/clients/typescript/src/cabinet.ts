// A cabinet: it takes work, checks the permission, vends, and keeps its journal.

import { createPublicKey, randomBytes, verify } from 'node:crypto';

import { getKeySet, pollWork, reportJournal, sayHello, startAttempt } from './client/sdk.gen.js';
import type { JournalEntry, WorkItem } from './client/types.gen.js';
import { type Device, must, sha256 } from './demo.js';

/** What a vend authorization permits. */
interface Permission {
  aud: string;
  sub: string;
  slot: string;
  lot: string;
}

/** The members of a body in their order of the alphabet, as the journal's hash needs them. */
type Written = Pick<JournalEntry, 'kind' | 'body'>;

export class Cabinet {
  private readonly boot = randomBytes(16).toString('hex');
  private readonly began = Date.now();
  private readonly journal: JournalEntry[] = [];
  private cursor = 0;

  constructor(private readonly device: Device) {}

  async hello(): Promise<void> {
    const last = this.journal.at(-1);
    const body = {
      epoch: this.epoch, boot_id: this.boot, mono_ms: this.monotonic(), wall: new Date().toISOString(),
      journal: { seq: last?.seq ?? 0, hash: last?.hash ?? '0'.repeat(64) },
      open_intents: [], door_open: false, tampered: false, slots: [], versions: { firmware: 'client-1', protocol: 1 },
    };
    await must(sayHello({ client: this.device.client, body, headers: this.device.signed('/cabinet/v1/hello', body) }));
  }

  /** Waits for work and vends every pack in it, with the code that the worker typed; returns their number. */
  async vend(code: string): Promise<number> {
    const query = { cursor: this.cursor, wait: 20 };
    const work = await must(pollWork({ client: this.device.client, query }));
    this.cursor = work.cursor;
    let vended = 0;
    for (const item of work.items) {
      const permission = await this.permission(item);
      if (permission !== undefined) {
        await this.run(permission, code);
        vended += 1;
      }
    }
    return vended;
  }

  private async permission(item: WorkItem): Promise<Permission | undefined> {
    switch (item.kind) {
      case 'vend':
        return this.verified(item.authorization);
      case 'void':
      case 'recall':
        return undefined;
    }
  }

  private async verified(authorization: string): Promise<Permission> {
    const [header = '', payload = '', signature = ''] = authorization.split('.');
    const { kid } = parsed<{ kid: string }>(header);
    const { keys } = (await must(getKeySet({ client: this.device.client }))) as { keys: { kid: string }[] };
    const jwk = keys.find((key) => key.kid === kid);
    if (jwk === undefined) throw new Error(`no key ${kid}`);
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const permission = parsed<Permission>(payload);
    const genuine = verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
    if (!genuine || permission.aud !== this.device.id) throw new Error('a vend authorization does not verify');
    return permission;
  }

  /** The intent is written before the motor runs, and the outcome after it. */
  private async run({ sub: attempt, slot, lot: lot_no }: Permission, pickup_code: string): Promise<void> {
    const body = { boot_id: this.boot, pickup_code };
    const headers = this.device.signed(`/cabinet/v1/attempts/${attempt}/start`, body);
    const grant = await must(startAttempt({ client: this.device.client, path: { id: attempt }, body, headers }));
    if (grant.boot_id !== this.boot) throw new Error('the grant is of another boot');
    this.write({ kind: 'intent', body: { attempt, lot_no, slot: Number(slot) } });
    this.write({ kind: 'motor', body: { attempt } });
    this.write({ kind: 'drop_sensed', body: { attempt } });
    this.write({ kind: 'dispensed', body: { attempt, lot_no } });
    await this.report();
  }

  private async report(): Promise<void> {
    const body = { epoch: this.epoch, entries: this.journal };
    const headers = this.device.signed('/cabinet/v1/events', body);
    const { acked_seq } = await must(reportJournal({ client: this.device.client, body, headers }));
    if (acked_seq !== this.journal.length) throw new Error(`only ${acked_seq} entries arrived`);
  }

  private write(written: Written): void {
    const seq = this.journal.length + 1;
    const prev_hash = this.journal.at(-1)?.hash ?? '0'.repeat(64);
    const [mono_ms, wall] = [this.monotonic(), new Date().toISOString()];
    const lines = [
      'waystation-journal-v1', seq, prev_hash, this.boot, mono_ms, wall.replace('Z', '000Z'),
      written.kind, JSON.stringify(written.body), '',
    ];
    const entry = { ...written, seq, prev_hash, hash: sha256(lines.join('\n')), boot_id: this.boot, mono_ms, wall };
    this.journal.push(entry as JournalEntry);
  }

  private get epoch(): number {
    const { epoch } = this.device.token;
    if (epoch == null) throw new Error('not a cabinet');
    return epoch;
  }

  private monotonic(): number {
    return Date.now() - this.began;
  }
}

function parsed<T>(part: string): T {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as T;
}

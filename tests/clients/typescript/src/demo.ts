// The people and devices in the ready file of `waystation demo`, and how they prove who they are.

import { createHash, createHmac, createPrivateKey, randomUUID, sign, type KeyObject } from 'node:crypto';

import { createClient, type Client } from './client/client/index.js';
import { signInDevice, signInStaff } from './client/sdk.gen.js';
import type { DeviceToken } from './client/types.gen.js';

export interface Credentials {
  email: string;
  password: string;
  totp_secret: string;
  signing_pin: string;
}

export interface DeviceCredentials {
  device_id: string;
  private_key: string;
}

export interface Ready {
  base_url: string;
  doctor: Credentials;
  pharmacist: Credentials;
  station: DeviceCredentials;
  cabinet: DeviceCredentials;
  worker: { card_number: string; pin: string };
}

/** What the server answered; a problem ends the journey. */
export async function must<T>(call: Promise<{ data: T; error: unknown }>): Promise<NonNullable<T>> {
  const { data, error } = await call;
  if (data == null) throw error instanceof Error ? error : new Error(JSON.stringify(error));
  return data;
}

/** A new idempotency key, as a header. */
export function once(): { 'Idempotency-Key': string } {
  return { 'Idempotency-Key': randomUUID() };
}

/** The API as one caller uses it. */
export function as(baseUrl: string, token?: string): Client {
  return createClient(token === undefined ? { baseUrl } : { baseUrl, auth: token });
}

export class Staff {
  private constructor(readonly client: Client, private readonly credentials: Credentials, private step: number) {}

  /** Signs in with the one-time code of the step before this one, which leaves another for signing. */
  static async signIn(baseUrl: string, credentials: Credentials): Promise<Staff> {
    const step = Math.floor(Date.now() / 30_000) - 1;
    const { email, password, totp_secret } = credentials;
    const body = { email, password, totp: totp(totp_secret, step) };
    const { access_token } = await must(signInStaff({ client: as(baseUrl), body }));
    return new Staff(as(baseUrl, access_token), credentials, step);
  }

  get pin(): string {
    return this.credentials.signing_pin;
  }

  /** The code of a step that was not used yet. */
  nextCode(): string {
    this.step += 1;
    return totp(this.credentials.totp_secret, this.step);
  }
}

export class Device {
  private constructor(
    readonly id: string,
    readonly token: DeviceToken,
    readonly client: Client,
    private readonly key: KeyObject,
  ) {}

  static async signIn(baseUrl: string, { device_id, private_key }: DeviceCredentials): Promise<Device> {
    const key = createPrivateKey({ key: Buffer.from(private_key, 'base64'), format: 'der', type: 'pkcs8' });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: device_id, sub: device_id, aud: `${baseUrl}/api/v1/tokens/device`,
      iat: now, nbf: now, exp: now + 60, jti: randomUUID(),
    };
    const signed = `${encoded({ alg: 'EdDSA', typ: 'client-auth+jwt', kid: device_id })}.${encoded(claims)}`;
    const body = { client_assertion: `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}` };
    const token = await must(signInDevice({ client: as(baseUrl), body }));
    return new Device(device_id, token, as(baseUrl, token.access_token), key);
  }

  /** The headers of a cabinet's POST: its signature over the body. */
  signed(path: string, body: unknown): { 'Waystation-Signature': string } {
    return this.signature(['waystation-request-v1', 'POST', path, sha256(JSON.stringify(body))]);
  }

  /** The headers of a screen's POST: its signature also covers the token and the idempotency key. */
  bound(path: string, body: unknown): { 'Idempotency-Key': string; 'Waystation-Signature': string } {
    const key = once();
    const bytes = body === undefined ? '' : JSON.stringify(body);
    const lines = ['waystation-request-v2', 'POST', path, sha256(bytes), sha256(this.token.access_token)];
    return { ...key, ...this.signature([...lines, sha256(key['Idempotency-Key'])]) };
  }

  private signature(lines: string[]): { 'Waystation-Signature': string } {
    const header = encoded({ alg: 'EdDSA', typ: 'request+jws', kid: this.id });
    const payload = Buffer.from(lines.join('\n')).toString('base64url');
    const signature = sign(null, Buffer.from(`${header}.${payload}`), this.key).toString('base64url');
    return { 'Waystation-Signature': `${header}..${signature}` };
  }
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** RFC 6238: SHA-1, six digits, 30 s. */
function totp(secret: string, step: number): string {
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'));
  const bytes = bits.join('').match(/.{8}/g) ?? [];
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const key = Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
  const digest = createHmac('sha1', key).update(counter).digest();
  const number = digest.readUInt32BE(digest.readUInt8(19) & 15) & 0x7fff_ffff;
  return String(number % 1_000_000).padStart(6, '0');
}

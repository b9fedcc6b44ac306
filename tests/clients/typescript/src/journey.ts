// One whole visit, by every side of it: station, worker, doctor, pharmacist and cabinet.
//   node dist/journey.js READY_FILE

import { readFileSync } from 'node:fs';
import { argv } from 'node:process';

import { Cabinet } from './cabinet.js';
import type { Client } from './client/client/index.js';
import * as api from './client/sdk.gen.js';
import type { OfferView, PrescriptionView } from './client/types.gen.js';
import { as, Device, must, once, type Ready, Staff } from './demo.js';

const LINE = { product_code: 'PCM-T500', dose_units_thousandths: 1000, times_per_day: 3, days: 3 };

const ready = JSON.parse(readFileSync(argv[2] ?? '', 'utf8')) as Ready;
const station = await Device.signIn(ready.base_url, ready.station);
const cabinet = new Cabinet(await Device.signIn(ready.base_url, ready.cabinet));
await cabinet.hello();

const opened = await checkIn();
const worker = as(ready.base_url, opened.access_token);
await prepare(worker);

const doctor = await Staff.signIn(ready.base_url, ready.doctor);
await must(api.setDuty({ client: doctor.client, body: { presence: 'available' } }));
const body = { complaint: '喉咙痛三天。', lane: 'minor_ailment_pilot' } as const;
const consultation = await must(api.requestConsultation({ client: worker, headers: once(), body }));
const path = { id: consultation.id };
await accept(doctor, await offered(doctor.client));
await talk();

const prescription = await prescribe(doctor);
await approve(await Staff.signIn(ready.base_url, ready.pharmacist), prescription);
const packs = await buy(prescription);

const diagnoses = [{ code: 'J00', name: '普通感冒' }];
const completion = { summary: '多喝水，三天不好转请到医院就诊。', diagnoses };
const ended = await must(api.completeConsultation({ client: doctor.client, headers: once(), path, body: completion }));
equal(ended.state, 'completed');
await must(api.rateConsultation({ client: worker, headers: once(), path, body: { rating: 5 } }));
await leave();
console.log(`the TypeScript client walked a journey: ${packs} pack(s)`);

async function checkIn() {
  const { worker: card } = ready;
  const headers = station.bound('/api/v1/check-ins', card);
  return must(api.checkIn({ client: station.client, body: card, headers }));
}

async function leave(): Promise<void> {
  const id = opened.check_in.id;
  const headers = station.bound(`/api/v1/check-ins/${id}/leave`, undefined);
  const left = await must(api.leaveCheckIn({ client: station.client, path: { id }, headers }));
  if (left.ended_at == null) throw new Error('the check-in goes on');
}

/** Consent, profile, readings and symptoms. */
async function prepare(client: Client): Promise<void> {
  await must(api.giveConsent({ client, headers: once(), body: { purpose: 'health_care' } }));
  const known = await api.getMyProfile({ client });
  const etag = known.response?.headers.get('ETag') ?? '"0"';
  const profile = { allergies: [], conditions: [], medicines: [] };
  await must(api.replaceMyProfile({ client, headers: { 'If-Match': etag }, body: profile }));
  const stored = await must(
    api.recordReadings({
      client,
      headers: once(),
      body: {
        readings: [
          { kind: 'temperature', unit: 'dCel', value: 366, device: 'thermometer-1' },
          { kind: 'blood_pressure', unit: 'mm[Hg]', value: 118, second: 76, device: 'cuff-1' },
        ],
      },
    }),
  );
  equal(stored.readings.length, 2);
  await must(api.recordSymptoms({ client, headers: once(), body: { symptoms: [] } }));
}

async function offered(client: Client): Promise<OfferView> {
  for (let turn = 0; turn < 4; turn += 1) {
    const offers = await must(api.listOffers({ client, query: { wait: 10 } }));
    const mine = offers.items.find((offer) => offer.consultation_id === consultation.id);
    if (mine !== undefined) return mine;
  }
  throw new Error('no offer came');
}

async function accept(by: Staff, { id, fence }: OfferView): Promise<void> {
  const accepted = await must(
    api.acceptOffer({ client: by.client, headers: once(), path: { id }, body: { fence, pin: by.pin } }),
  );
  equal(accepted.state, 'active');
}

async function talk(): Promise<void> {
  for (const [client, text] of [[doctor.client, '有没有发热？'], [worker, '没有。']] as const) {
    await must(api.sendMessage({ client, headers: once(), path, body: { text } }));
  }
  const messages = await must(api.listMessages({ client: worker, path }));
  equal(messages.items.length, 2);
}

async function prescribe(by: Staff): Promise<PrescriptionView> {
  const { client } = by;
  const lines = [LINE];
  await must(api.checkPrescription({ client, body: { consultation_id: consultation.id, lines } }));
  const draft = await must(
    api.draftPrescription({
      client, headers: once(), path, body: { lines, diagnoses: [{ code: 'J00', name: '普通感冒' }], kind: 'ordinary' },
    }),
  );
  await openWindow(by);
  // In the last hours of a day a longer validity must be given.
  return must(
    api.signPrescription({ client, headers: once(), path: { id: draft.id }, body: { pin: by.pin, valid_days: 2 } }),
  );
}

async function approve(by: Staff, { id }: PrescriptionView): Promise<void> {
  const { client } = by;
  const waiting = await must(api.listReviews({ client }));
  if (!waiting.items.some((one) => one.id === id)) throw new Error('nothing to review');
  await openWindow(by);
  const done = await must(api.approvePrescription({ client, headers: once(), path: { id }, body: { pin: by.pin } }));
  equal(done.state, 'approved');
}

async function openWindow(by: Staff): Promise<void> {
  await must(api.openSigningWindow({ client: by.client, headers: once(), body: { totp: by.nextCode() } }));
}

/** Orders, pays, types the code at the hatch; returns the number of packs. */
async function buy({ id: prescription_id }: PrescriptionView): Promise<number> {
  const order = await must(api.placeOrder({ client: worker, headers: once(), body: { prescription_id } }));
  const at = { id: order.id };
  const paid = await must(api.payOrder({ client: worker, headers: once(), path: at, body: { method: 'subsidy' } }));
  equal(paid.state, 'paid');
  const vended = await cabinet.vend(paid.pickup_code ?? '');
  equal(vended, paid.units.length);
  const now = await must(api.getOrder({ client: worker, path: at }));
  equal(now.state, 'completed');
  return vended;
}

function equal<T>(found: T, expected: T): void {
  if (found !== expected) throw new Error(`${String(found)} instead of ${String(expected)}`);
}

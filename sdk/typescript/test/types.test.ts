/**
 * Types that callers may rely on. `tsc --strict` is the test; running the file only proves that it was
 * compiled.
 */
import { test } from 'node:test';

import { ApiError, createCoreClient, createTelemetryClient, type CoreClient, type TelemetryClient } from '@restartix/sdk';
import {
  appointmentCancel,
  appointmentCreate,
  patientGet,
  patientList,
  type Appointment,
  type CreateAppointment,
  type PagePatient,
  type Patient,
} from '@restartix/sdk/core';
import { analyticsTrack, type IngestReceipt, type PropertyValue } from '@restartix/sdk/telemetry';
import { expectTypeOf } from 'expect-type';

/** Never called: its body is only compiled. */
const _calls = (client: CoreClient, telemetry: TelemetryClient) => {
  // An operation answers its data itself, not a wrapper that has to be checked.
  expectTypeOf(patientList({ client })).resolves.toEqualTypeOf<PagePatient>();
  expectTypeOf(patientGet({ client, path: { patient_id: 1 } })).resolves.toEqualTypeOf<Patient>();
  expectTypeOf(appointmentCreate<true>).returns.resolves.toEqualTypeOf<Appointment>();
  expectTypeOf(analyticsTrack<true>).returns.resolves.toEqualTypeOf<IngestReceipt>();

  // @ts-expect-error a path parameter is required
  void patientGet({ client });
  // @ts-expect-error the client is required
  void patientList({});
  // @ts-expect-error an id is a number
  void patientGet({ client, path: { patient_id: '1' } });
  // @ts-expect-error a value outside the enumeration
  void appointmentCancel({ client, path: { appointment_id: 1 }, body: { reason: 'bad mood' } });
  // @ts-expect-error a query parameter that the operation does not have
  void patientList({ client, query: { pages: 1 } });
  // @ts-expect-error an event needs its name
  void analyticsTrack({ client: telemetry, body: { events: [{ event_id: '', occurred_at: '' }] } });
};

test('types say what the specification says', () => {
  expectTypeOf<Appointment['status']>().extract<'cancelled' | 'completed'>().toEqualTypeOf<'cancelled' | 'completed'>();
  expectTypeOf<Appointment['id']>().toBeNumber();
  expectTypeOf<Appointment['cancelled_at']>().toEqualTypeOf<string | undefined>();
  expectTypeOf<CreateAppointment>().toHaveProperty('specialist_id');
  expectTypeOf<{ title: string }>().not.toExtend<CreateAppointment>();
  expectTypeOf<PropertyValue>().toEqualTypeOf<string | number | boolean>();
});

test('clients are made from options, and errors are errors', () => {
  expectTypeOf(createCoreClient).parameter(0).toHaveProperty('baseUrl').toEqualTypeOf<string>();
  expectTypeOf(createCoreClient).returns.toEqualTypeOf<CoreClient>();
  expectTypeOf(createTelemetryClient).parameter(0).toHaveProperty('tokens');
  expectTypeOf<ApiError>().toExtend<Error>();
  expectTypeOf<ApiError['retryAfter']>().toEqualTypeOf<number | undefined>();
});

export * from './client/telemetry/index.js';

export * from './client/core/index.js';

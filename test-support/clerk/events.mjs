// Clerk's messages as Clerk's own types describe them; `tsc` checks them in the test suite.

/** @typedef {import('@clerk/backend').WebhookEvent} WebhookEvent */
/** @typedef {import('@clerk/backend').UserJSON} UserJSON */

const attributes = { http_request: { client_ip: '192.0.2.7', user_agent: 'Mozilla/5.0' } };
const instance = 'ins_2GIoQhbUpy0hX7B2cVkuTMinXoD';

/**
 * @typedef {object} Person
 * @property {string} id
 * @property {string} [first_name]
 * @property {string} [last_name]
 * @property {string} [email]
 * @property {boolean} [verified]
 * @property {number} at
 */

/**
 * @param {Person} person
 * @returns {UserJSON}
 */
function user({ id, first_name, last_name, email, verified = true, at }) {
  return {
    object: 'user',
    id,
    username: null,
    first_name: first_name ?? null,
    last_name: last_name ?? null,
    image_url: 'https://img.clerk.com/x',
    has_image: false,
    primary_email_address_id: email === undefined ? null : 'idn_primary',
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    password_enabled: true,
    two_factor_enabled: false,
    totp_enabled: false,
    backup_code_enabled: false,
    email_addresses:
      email === undefined
        ? []
        : [
            emailAddress('idn_other', 'other-' + email, true),
            emailAddress('idn_primary', email, verified),
          ],
    phone_numbers: [],
    web3_wallets: [],
    organization_memberships: null,
    external_accounts: [],
    enterprise_accounts: [],
    password_last_updated_at: null,
    public_metadata: {},
    private_metadata: {},
    unsafe_metadata: {},
    external_id: null,
    last_sign_in_at: null,
    banned: false,
    locked: false,
    lockout_expires_in_seconds: null,
    verification_attempts_remaining: 100,
    created_at: 1_700_000_000_000,
    updated_at: at,
    last_active_at: null,
    create_organization_enabled: true,
    create_organizations_limit: null,
    delete_self_enabled: true,
    legal_accepted_at: null,
    locale: null,
    timezone: null,
    deprovisioned: false,
  };
}

/**
 * @param {string} id
 * @param {string} email_address
 * @param {boolean} verified
 * @returns {UserJSON['email_addresses'][number]}
 */
function emailAddress(id, email_address, verified) {
  return {
    object: 'email_address',
    id,
    email_address,
    verification: {
      // The types have no name for it.
      object: /** @type {any} */ ('verification_otp'),
      id: 'ver_1',
      status: verified ? 'verified' : 'unverified',
      strategy: 'email_code',
      attempts: 1,
      expire_at: null,
    },
    linked_to: [],
  };
}

/** @satisfies {Record<string, (of: any) => WebhookEvent>} */
export const events = {
  'user.created': (/** @type {Person} */ of) => message('user.created', user(of), of.at),
  'user.updated': (/** @type {Person} */ of) => message('user.updated', user(of), of.at),
  'user.deleted': (/** @type {Person} */ of) =>
    message('user.deleted', { object: 'user', id: of.id, deleted: true }, of.at),
  'session.created': (/** @type {Session} */ of) => message('session.created', session(of, 'active'), of.at),
  'session.ended': (/** @type {Session} */ of) => message('session.ended', session(of, 'ended'), of.at),
  'session.removed': (/** @type {Session} */ of) => message('session.removed', session(of, 'removed'), of.at),
  'session.revoked': (/** @type {Session} */ of) => message('session.revoked', session(of, 'revoked'), of.at),
  'organizationInvitation.created': (/** @type {Invitation} */ of) =>
    message('organizationInvitation.created', { ...invitation(of), status: /** @type {const} */ ('pending') }, of.at),
  'organizationInvitation.revoked': (/** @type {Invitation} */ of) =>
    message('organizationInvitation.revoked', { ...invitation(of), status: /** @type {const} */ ('revoked') }, of.at),
  'organizationInvitation.accepted': (/** @type {Invitation} */ of) =>
    message('organizationInvitation.accepted', { ...invitation(of), status: /** @type {const} */ ('accepted'), user_id: of.user }, of.at),
  'role.deleted': (/** @type {{ id: string, at: number }} */ of) =>
    message('role.deleted', { object: 'role', id: of.id, deleted: true, key: 'org:x', name: 'X', description: '', permissions: [], is_creator_eligible: false, created_at: of.at, updated_at: of.at }, of.at),
};

/**
 * @typedef {object} Session
 * @property {string} id
 * @property {string} user
 * @property {number} at
 */

/**
 * @param {Session} session
 * @param {string} status
 * @returns {import('@clerk/backend').SessionJSON & { user: null }}
 */
function session({ id, user, at }, status) {
  return {
    object: 'session',
    id,
    client_id: 'client_1',
    user_id: user,
    status,
    actor: null,
    last_active_at: at,
    expire_at: at + 604_800_000,
    abandon_at: at + 2_592_000_000,
    created_at: at,
    updated_at: at,
    user: null,
  };
}

/**
 * @typedef {object} Invitation
 * @property {string} id
 * @property {string} organization
 * @property {string} user
 * @property {string} email
 * @property {string} role
 * @property {number} at
 */

/**
 * @param {Invitation} invitation
 * @returns {import('@clerk/backend').OrganizationInvitationJSON}
 */
function invitation({ id, organization, email, role, at }) {
  return {
    object: 'organization_invitation',
    id,
    email_address: email,
    role,
    role_name: role,
    organization_id: organization,
    public_metadata: {},
    private_metadata: {},
    url: null,
    created_at: at,
    updated_at: at,
    expires_at: at + 2_592_000_000,
  };
}

/**
 * @template {string} Type
 * @template Data
 * @param {Type} type
 * @param {Data} data
 * @param {number} timestamp
 * @returns {{ type: Type, object: 'event', data: Data, event_attributes: typeof attributes, timestamp: number, instance_id: string }}
 */
function message(type, data, timestamp) {
  return { data, event_attributes: attributes, instance_id: instance, object: 'event', timestamp, type };
}

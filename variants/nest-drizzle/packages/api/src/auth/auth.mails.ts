import type { Mail } from '../common/mail/transport.js';

/** Where a token of a mail is used, as a path of the front end at APP_URL. */
type FrontendPage = 'verify-email' | 'accept-invitation' | 'reset-password';

/**
 * Returns the lines that bring a token: a link to the front end, or the token itself if there is none. The token is in the
 * fragment, which browsers send to no server. No text of other users is in a mail, so nobody can advertise through it.
 */
function tokenLines(appUrl: string | undefined, page: FrontendPage, token: string): string {
  if (appUrl === undefined) return `Your token: ${token}`;
  return `${appUrl.replace(/\/$/, '')}/${page}#token=${token}`;
}

export function verificationMail(to: string, token: string, appUrl: string | undefined): Mail {
  return {
    to,
    subject: 'Verify your email address',
    text: [
      'Somebody registered with this address. If it was you, verify it:',
      tokenLines(appUrl, 'verify-email', token),
      'If it was not you, ignore this mail: no account is created.',
    ].join('\n\n'),
  };
}

export function alreadyRegisteredMail(to: string): Mail {
  return {
    to,
    subject: 'You have an account',
    text: 'Somebody registered with this address, which has an account. Sign in instead, or reset the password.',
  };
}

export function resetMail(to: string, token: string, appUrl: string | undefined): Mail {
  return {
    to,
    subject: 'Reset your password',
    text: [
      'Somebody requested a new password for this account. To set one:',
      tokenLines(appUrl, 'reset-password', token),
      'If it was not you, ignore this mail: your password stays as it is.',
    ].join('\n\n'),
  };
}

export function passwordChangedMail(to: string): Mail {
  return {
    to,
    subject: 'Your password was changed',
    text: 'The password of your account was changed, and all other sessions have ended. If it was not you, reset the password now.',
  };
}

export function invitationMail(to: string, token: string, appUrl: string | undefined): Mail {
  return {
    to,
    subject: 'You are invited',
    text: [
      'You are invited to become a member. To accept:',
      tokenLines(appUrl, 'accept-invitation', token),
      'If you did not expect this, ignore this mail.',
    ].join('\n\n'),
  };
}

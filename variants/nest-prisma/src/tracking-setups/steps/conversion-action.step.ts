import { Injectable } from '@nestjs/common';
import type { TrackingKind } from '../../generated/prisma/enums.js';
import { AdsService, type ConversionCategory } from '../../google/ads/ads.service.js';
import { type Resources, type SetupStepHandler, type StepContext } from './setup-step.js';

const CATEGORIES: Readonly<Record<TrackingKind, ConversionCategory>> = {
  PAGE_VIEW: 'PAGE_VIEW',
  FORM_SUBMISSION: 'SUBMIT_LEAD_FORM',
  BUTTON_CLICK: 'DEFAULT',
  PHONE_CALL: 'PHONE_CALL_LEAD',
  PURCHASE: 'PURCHASE',
};

/** The conversion action in Google Ads, and what a tag has to send to be counted there. */
@Injectable()
export class ConversionActionStep implements SetupStepHandler {
  readonly step = 'CONVERSION_ACTION';

  constructor(private readonly ads: AdsService) {}

  async run(context: StepContext): Promise<Resources> {
    const { setup, tracking, name } = context;
    const customerId = setup.adsCustomerId ?? '';
    const action = await this.ads.ensureConversionAction(setup.connectionId, customerId, {
      name,
      category: CATEGORIES[tracking.kind],
    });
    const made = { conversionAction: action.resourceName };
    await context.note(made);
    const { eventSnippet } = await this.ads.getTagSnippet(setup.connectionId, customerId, action.id);
    return { ...made, ...conversionOf(eventSnippet) };
  }

  async undo({ setup, made }: StepContext): Promise<void> {
    const { conversionAction } = made(this.step);
    if (conversionAction === undefined) return;
    await this.ads.removeConversionAction(setup.connectionId, setup.adsCustomerId ?? '', conversionAction);
  }
}

/** Google gives them inside of a script only: 'send_to': 'AW-123456/AbCdEf' */
function conversionOf(eventSnippet: string): { conversionId: string; conversionLabel: string } {
  const [, conversionId, conversionLabel] = /AW-(\d+)\/([\w-]+)/.exec(eventSnippet) ?? [];
  if (conversionId === undefined || conversionLabel === undefined) {
    throw new Error('the tag snippet of the conversion action has no AW-<id>/<label>');
  }
  return { conversionId, conversionLabel };
}

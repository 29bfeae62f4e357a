import { Injectable } from '@nestjs/common';
import {
  TagManagerService,
  type TagSpec,
  type TriggerSpec,
} from '../../google/tag-manager/tag-manager.service.js';
import {
  googleName,
  type Resources,
  type SetupStepHandler,
  type StepContext,
  type Target,
} from './setup-step.js';

/** The trigger that watches the visitor, and the tag that reports what they did. */
@Injectable()
export class TagStep implements SetupStepHandler {
  readonly step = 'TAG';

  constructor(private readonly tagManager: TagManagerService) {}

  async run(context: StepContext): Promise<Resources> {
    const { workspacePath } = context.made('CONTAINER');
    // No workspace: there is no container (any more).
    return workspacePath === undefined ? {} : this.bring(context, workspacePath, context.after);
  }

  /** The changes go with their workspace; those of a version `PublishStep` takes back. */
  async undo(): Promise<void> {}

  /** Brings what a workspace holds in line with what is wanted: a tag and its trigger, or neither. */
  async bring(context: StepContext, workspace: string, wanted: Target | undefined): Promise<Resources> {
    const { connectionId, trackingId: marker } = context.setup;
    const { triggerPath, tagPath } = context.made(this.step);
    const ofTrigger = { id: idOf(triggerPath), marker };
    const ofTag = { id: idOf(tagPath), marker };
    if (wanted === undefined) {
      // In this order: Google keeps a trigger that a tag refers to.
      await this.tagManager.removeTag(connectionId, workspace, ofTag);
      await this.tagManager.removeTrigger(connectionId, workspace, ofTrigger);
      return context.made(this.step); // should it be taken back before there is a version
    }
    const name = googleName(wanted);
    const trigger = await this.tagManager.ensureTrigger(
      connectionId,
      workspace,
      { name, ...triggerFor(wanted) },
      ofTrigger,
    );
    const tag = await this.tagManager.ensureTag(
      connectionId,
      workspace,
      {
        name,
        firingTriggerId: [trigger.id],
        paused: wanted.isPaused,
        ...tagFor(wanted, context.made('CONVERSION_ACTION')),
      },
      ofTag,
    );
    return { triggerPath: trigger.path, tagPath: tag.path };
  }
}

/** A workspace has an entity of a version under its own path; the id stays. */
function idOf(path: string | undefined): string | undefined {
  return path?.split('/').at(-1);
}

/** All members that a kind may have, so that a tracking of another kind leaves none behind. */
function triggerFor({ kind, selector }: Target): Omit<TriggerSpec, 'name'> {
  const none = { filter: [], customEventFilter: [] };
  switch (kind) {
    case 'PAGE_VIEW':
      return { ...none, type: 'pageview' };
    case 'FORM_SUBMISSION':
      return { ...none, type: 'formSubmission', filter: matching('{{Form Element}}', selector) };
    case 'BUTTON_CLICK':
      return { ...none, type: 'click', filter: matching('{{Click Element}}', selector) };
    case 'PHONE_CALL':
      return {
        ...none,
        type: 'linkClick',
        filter: matching('{{Click Element}}', selector ?? 'a[href^="tel:"]'),
      };
    case 'PURCHASE':
      return {
        ...none,
        type: 'customEvent',
        customEventFilter: [condition('equals', '{{_event}}', 'purchase')],
      };
  }
}

function matching(element: string, selector: string | null) {
  return selector === null ? [] : [condition('cssSelector', element, selector)];
}

function condition(type: string, one: string, other: string) {
  return {
    type,
    parameter: [
      { type: 'template', key: 'arg0', value: one },
      { type: 'template', key: 'arg1', value: other },
    ],
  };
}

/** Reports a conversion to Google Ads; where there is none, an event to the page's data layer. */
function tagFor({ id, kind }: Target, { conversionId, conversionLabel }: Resources): Omit<TagSpec, 'name'> {
  if (conversionId !== undefined && conversionLabel !== undefined) {
    return {
      type: 'awct',
      parameter: [
        { type: 'template', key: 'conversionId', value: conversionId },
        { type: 'template', key: 'conversionLabel', value: conversionLabel },
      ],
    };
  }
  const event = JSON.stringify({ event: 'tracking', trackingId: id, trackingKind: kind });
  return {
    type: 'html',
    parameter: [
      { type: 'template', key: 'html', value: `<script>window.dataLayer.push(${event});</script>` },
    ],
  };
}

// Types of the package headgate. What each thing does stands in README.md.
import type Long from 'long';
import type { Method, Root, Type } from 'protobufjs';

/** A message of protobufjs, or an object with its fields. */
export type Message = any;
export type MaybePromise<T> = T | Promise<T>;

/** .proto files, or the path or the bytes of one descriptor set. */
export type Description = string | string[] | Uint8Array;

/** "package.Service/Method", "package.Service.Method" or a method of protobufjs. */
export type Target = string | Method;

export type Code =
  | number
  | 'CANCELLED' | 'UNKNOWN' | 'INVALID_ARGUMENT' | 'DEADLINE_EXCEEDED' | 'NOT_FOUND' | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED' | 'RESOURCE_EXHAUSTED' | 'FAILED_PRECONDITION' | 'ABORTED' | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED' | 'INTERNAL' | 'UNAVAILABLE' | 'DATA_LOSS' | 'UNAUTHENTICATED';

// -- metadata ---------------------------------------------------------------------------------------

export type MetadataValue = string | Uint8Array;
export type MetadataInit = Iterable<readonly [string, MetadataValue]> | Record<string, MetadataValue>;

export class CloudEvent {
  readonly specversion: string | undefined;
  readonly id: string | undefined;
  readonly source: string | undefined;
  readonly type: string | undefined;
  readonly subject: string | undefined;
  readonly time: Date | undefined;
  readonly dataschema: string | undefined;
  readonly datacontenttype: string | undefined;
}

export class Metadata implements Iterable<[string, MetadataValue]> {
  constructor(entries?: MetadataInit);
  get(key: string): MetadataValue[];
  has(key: string): boolean;
  add(key: string, value: MetadataValue): this;
  set(key: string, value: MetadataValue): this;
  delete(key: string): this;
  clear(): this;
  readonly size: number;
  readonly cloudevent: CloudEvent;
  [Symbol.iterator](): Iterator<[string, MetadataValue]>;
}

// -- contexts ---------------------------------------------------------------------------------------

export class CommandFailure extends Error {
  readonly code: number | undefined;
  readonly details: Message[];
}

export interface Context {
  readonly metadata: Metadata;
  readonly cloudevent: CloudEvent;
  readonly replyMetadata: Metadata;
  /** True once nobody waits for the command any more; the signal tells when. */
  readonly cancelled: boolean;
  readonly signal: AbortSignal;
  fail(message: string, code?: Code, details?: Message[]): never;
  fail(message: string, options: { code?: Code; details?: Message[] }): never;
  forward(method: Target, message: Message, metadata?: Metadata | MetadataInit): void;
  thenForward(method: Target, message: Message, metadata?: Metadata | MetadataInit): void;
  effect(method: Target, message: Message, synchronous?: boolean, metadata?: Metadata | MetadataInit): void;
}

export interface EntityContext extends Context {
  readonly entityId: string;
  readonly commandId: Long;
  readonly commandName: string;
}

export interface EventSourcedContext extends EntityContext {
  emit(event: Message): void;
}

export interface ValueEntityContext<State = Message> extends EntityContext {
  getState(): State | undefined;
  updateState(state: State): void;
  deleteState(): void;
}

// -- entities and actions ---------------------------------------------------------------------------

export interface ComponentOptions {
  /** Folders in which .proto files are looked for; default: the working directory. */
  includeDirs?: string[];
  serializeAllowPrimitives?: boolean;
  serializeFallbackToJson?: boolean;
}

export interface EntityOptions extends ComponentOptions {
  /** Under which the state is stored; must stay the same for ever. Default: "entity". */
  persistenceId?: string;
  /** Milliseconds without a command after which the entity leaves memory. */
  passivationTimeout?: number;
}

export interface EventSourcedOptions extends EntityOptions {
  /** A snapshot whenever a multiple of this is reached; default 100, 0: never. */
  snapshotEvery?: number;
}

export abstract class Component {
  readonly serviceName: string;
  readonly persistenceId: string;
  readonly root: Root;
  lookupType(name: string): Type;
}

export type Initial<State> = (entityId: string) => MaybePromise<State>;

export interface Behavior<State> {
  commandHandlers: Record<string, (command: Message, state: State, context: EventSourcedContext) => MaybePromise<Message | void>>;
  eventHandlers: Record<string, (event: Message, state: State) => MaybePromise<State>>;
}

export class EventSourced<State = any> extends Component {
  constructor(description: Description, serviceName: string, options?: EventSourcedOptions);
  initial: Initial<State>;
  behavior: (state: State) => MaybePromise<Behavior<State>>;
  setInitial(initial: Initial<State>): this;
  setBehavior(behavior: (state: State) => MaybePromise<Behavior<State>>): this;
}

export type ValueHandlers<State> =
  Record<string, (command: Message, state: State, context: ValueEntityContext<State>) => MaybePromise<Message | void>>;

export class ValueEntity<State = any> extends Component {
  constructor(description: Description, serviceName: string, options?: EntityOptions);
  initial?: Initial<State>;
  commandHandlers: ValueHandlers<State>;
  setInitial(initial: Initial<State>): this;
  setCommandHandlers(handlers: ValueHandlers<State>): this;
}

export interface ActionContext extends Context {
  readonly commandName: string;
  cancel(): void;
  /** What a listener returns is waited for. "data" and "end" come where the client streams. */
  on(event: 'data' | 'end' | 'cancelled', listener: (message: Message) => unknown): this;
}

/** Of methods whose client streams: messages by `for await`, or by events. */
export interface StreamedInContext extends ActionContext, AsyncIterable<Message> {
  /** The reply of a method that gives only one. */
  write(message: Message, metadata?: Metadata): void;
}

/** Of methods that answer with a stream: failing and forwarding are answers, the handler goes on. */
export interface StreamedOutContext extends Omit<ActionContext, 'fail' | 'forward' | 'thenForward'> {
  write(message?: Message, metadata?: Metadata): Promise<void>;
  end(): void;
  fail(message: string, code?: Code, details?: Message[]): Promise<void>;
  fail(message: string, options: { code?: Code; details?: Message[] }): Promise<void>;
  forward(method: Target, message: Message, metadata?: Metadata | MetadataInit): void;
  thenForward(method: Target, message: Message, metadata?: Metadata | MetadataInit): Promise<void>;
}

export interface StreamedContext extends StreamedOutContext, AsyncIterable<Message> {
}

export type ActionHandler =
  | ((message: Message, context: ActionContext & StreamedOutContext) => unknown)
  | ((context: StreamedInContext & StreamedContext) => unknown)
  | ((...given: any[]) => unknown);

export class Action extends Component {
  constructor(description: Description, serviceName: string, options?: ComponentOptions);
  commandHandlers: Record<string, ActionHandler>;
  setCommandHandlers(handlers: Record<string, ActionHandler>): this;
}

// -- replicated data --------------------------------------------------------------------------------

export interface CrdtChangeContext<State> extends Context {
  readonly entityId: string;
  readonly state: State | null;
  end(): void;
}

export interface CrdtCancelContext<State> extends Context {
  readonly entityId: string;
  state: State | null;
  delete(): void;
  writeConsistency: number | keyof typeof crdt.WriteConsistency;
}

export interface CrdtContext<State> extends EntityContext {
  state: State | null;
  readonly streamed: boolean;
  delete(): void;
  writeConsistency: number | keyof typeof crdt.WriteConsistency;
  onStateChange?: (state: State, context: CrdtChangeContext<State>) => MaybePromise<Message | void>;
  onStreamCancel?: (state: State, context: CrdtCancelContext<State>) => MaybePromise<void>;
}

export type CrdtHandlers<State> = Record<string, (command: Message, context: CrdtContext<State>) => MaybePromise<Message | void>>;

export class Crdt<State extends crdt.Replicated = any> extends Component {
  constructor(description: Description, serviceName: string, options?: EntityOptions);
  commandHandlers: CrdtHandlers<State>;
  defaultValue: (entityId: string) => MaybePromise<State | null>;
  onStateSet: (state: State, entityId: string) => void;
  setCommandHandlers(handlers: CrdtHandlers<State>): this;
  setDefaultValue(defaultValue: (entityId: string) => MaybePromise<State | null>): this;
}

type CrdtEntity<State extends crdt.Replicated = any> = Crdt<State>;
declare const CrdtEntity: typeof Crdt;

export namespace crdt {
  export const Clocks: Readonly<{ DEFAULT: 0; REVERSE: 1; CUSTOM: 2; CUSTOM_AUTO_INCREMENT: 3 }>;
  export const WriteConsistency: Readonly<{ LOCAL: 0; MAJORITY: 1; ALL: 2 }>;
  export type Clock = number | keyof typeof Clocks;
  export type Whole = number | bigint | Long;
  export { CrdtEntity as Crdt };

  /** What all replicated data types have in common. */
  export interface Replicated {
    readonly hasDelta: boolean;
  }

  export class GCounter implements Replicated {
    readonly hasDelta: boolean;
    readonly value: number;
    readonly longValue: Long;
    increment(by?: Whole): this;
  }

  export class PNCounter implements Replicated {
    readonly hasDelta: boolean;
    readonly value: number;
    readonly longValue: Long;
    increment(by?: Whole): this;
    decrement(by?: Whole): this;
  }

  export class GSet<T = any> implements Replicated, Iterable<T> {
    constructor(elements?: Iterable<T>);
    readonly hasDelta: boolean;
    readonly size: number;
    has(element: T): boolean;
    add(element: T): this;
    union(elements: Iterable<T>): this;
    values(): IterableIterator<T>;
    forEach(callback: (element: T, same: T, set: this) => void, self?: unknown): void;
    [Symbol.iterator](): IterableIterator<T>;
  }

  export class ORSet<T = any> extends GSet<T> {
    delete(element: T): boolean;
    clear(): void;
  }

  export class LWWRegister<T = any> implements Replicated {
    constructor(value: T, clock?: Clock, customClockValue?: Whole);
    readonly hasDelta: boolean;
    value: T;
    setWithClock(value: T, clock?: Clock, customClockValue?: Whole): this;
  }

  export class Flag implements Replicated {
    readonly hasDelta: boolean;
    readonly value: boolean;
    enable(): this;
  }

  export class Vote implements Replicated {
    readonly hasDelta: boolean;
    vote: boolean;
    readonly votesFor: number;
    readonly totalVoters: number;
    readonly atLeastOne: boolean;
    readonly majority: boolean;
    readonly all: boolean;
  }

  export class ORMap<K = any, V extends Replicated = any> implements Replicated, Iterable<[K, V]> {
    readonly hasDelta: boolean;
    readonly size: number;
    readonly asObject: Record<string, V>;
    /** Called with a key that is not there; gives the value to put there. */
    defaultValue: (key: K) => V | undefined;
    has(key: K): boolean;
    get(key: K): V | undefined;
    set(key: K, value: V): this;
    delete(key: K): boolean;
    clear(): void;
    keys(): IterableIterator<K>;
    values(): IterableIterator<V>;
    entries(): IterableIterator<[K, V]>;
    forEach(callback: (value: V, key: K, map: this) => void, self?: unknown): void;
    [Symbol.iterator](): IterableIterator<[K, V]>;
  }
}

// -- the server -------------------------------------------------------------------------------------

export interface Logger {
  info(...words: unknown[]): void;
  error(...words: unknown[]): void;
}

export interface HeadgateOptions {
  serviceName?: string;
  serviceVersion?: string;
  /** What `protoc --include_imports --descriptor_set_out` wrote; default: made from the .proto files. */
  descriptorSetPath?: string;
  protocolVersion?: '0.1' | '0.2';
  logger?: Logger;
  /** Log promises that fail and that nobody waits for, in place of ending the process; default true. */
  containRejections?: boolean;
}

export interface StartOptions {
  host?: string;
  port?: number | string;
  bindAddress?: string;
  bindPort?: number | string;
}

export class Headgate {
  constructor(options?: HeadgateOptions);
  addEntity(...components: Array<Component | Component[]>): this;
  addComponent(...components: Array<Component | Component[]>): this;
  addAction(...components: Array<Component | Component[]>): this;
  /** Resolves to the port. */
  start(options?: StartOptions): Promise<number>;
  shutdown(options?: { graceMs?: number }): Promise<void>;
}

export { Headgate as CloudState, Headgate as Cloudstate };

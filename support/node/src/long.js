// The class for whole numbers of 64 bits that protobufjs makes; another copy of it would be another class.
import protobuf from 'protobufjs';

export default protobuf.util.Long;

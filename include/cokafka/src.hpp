// SPDX-License-Identifier: BSL-1.0
// Every body of the library: include it in exactly one translation unit of a program built in compiled mode.
// Layer 7.
#ifndef COKAFKA_SRC_HPP
#define COKAFKA_SRC_HPP

// Written by tools/check_layers --fix.
#if !defined(COKAFKA_SEPARATE_COMPILATION)
#error "cokafka/src.hpp belongs to compiled mode: define COKAFKA_SEPARATE_COMPILATION for the whole program"
#endif

#include "cokafka/detail/base/crc32c.ipp"
#include "cokafka/detail/base/host_port.ipp"
#include "cokafka/detail/base/murmur2.ipp"
#include "cokafka/detail/base/property_text.ipp"
#include "cokafka/detail/wire/frame_parser.ipp"
#include "cokafka/detail/wire/types.ipp"
#include "cokafka/detail/messages/codec.ipp"
#include "cokafka/config.ipp"
#include "cokafka/detail/batch/batch_builder.ipp"
#include "cokafka/detail/batch/batch_thinning.ipp"
#include "cokafka/detail/batch/batch_view.ipp"
#include "cokafka/error.ipp"
#include "cokafka/detail/core/accumulator.ipp"
#include "cokafka/detail/core/api_versions_known.ipp"
#include "cokafka/detail/core/cluster_metadata.ipp"
#include "cokafka/detail/core/completion.ipp"
#include "cokafka/detail/core/ledger.ipp"
#include "cokafka/detail/core/parking.ipp"
#include "cokafka/detail/core/parking_end.ipp"
#include "cokafka/detail/core/parking_pass.ipp"
#include "cokafka/detail/core/partition_answers.ipp"
#include "cokafka/detail/core/partition_endings.ipp"
#include "cokafka/detail/core/partition_queue.ipp"
#include "cokafka/detail/core/partition_unheard.ipp"
#include "cokafka/detail/core/produce_queue.ipp"
#include "cokafka/detail/core/produce_request.ipp"
#include "cokafka/detail/core/redirection.ipp"
#include "cokafka/detail/core/splitting.ipp"
#include "cokafka/detail/core/unheard.ipp"
#include "cokafka/detail/core/withdrawal.ipp"
#include "cokafka/detail/io/broker_link.ipp"
#include "cokafka/detail/io/broker_link_answers.ipp"
#include "cokafka/detail/io/broker_link_state.ipp"
#include "cokafka/detail/io/connection.ipp"
#include "cokafka/detail/io/deadline_timer.ipp"
#include "cokafka/detail/io/partition_keeper.ipp"
#include "cokafka/detail/io/system_environment.ipp"
#include "cokafka/detail/engine/control.ipp"
#include "cokafka/detail/engine/engine.ipp"
#include "cokafka/detail/engine/engine_service.ipp"
#include "cokafka/detail/engine/expiry.ipp"
#include "cokafka/detail/engine/failure_report.ipp"
#include "cokafka/detail/engine/identity.ipp"
#include "cokafka/detail/engine/lifecycle.ipp"
#include "cokafka/detail/engine/routing.ipp"
#include "cokafka/detail/engine/waiting.ipp"

#endif

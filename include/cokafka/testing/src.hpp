// SPDX-License-Identifier: BSL-1.0
// Every body of the testing kit: include it in exactly one translation unit of a program built in compiled mode.
// Layer 8.
#ifndef COKAFKA_TESTING_SRC_HPP
#define COKAFKA_TESTING_SRC_HPP

// Written by tools/check_layers --fix.
#if !defined(COKAFKA_SEPARATE_COMPILATION)
#error "cokafka/testing/src.hpp belongs to compiled mode: define COKAFKA_SEPARATE_COMPILATION for the whole program"
#endif

#include "cokafka/testing/cluster.ipp"
#include "cokafka/testing/cluster_core.ipp"
#include "cokafka/testing/cluster_state.ipp"
#include "cokafka/testing/connection.ipp"
#include "cokafka/testing/dispatch.ipp"
#include "cokafka/testing/handlers/api_versions.ipp"
#include "cokafka/testing/handlers/create_topics.ipp"
#include "cokafka/testing/handlers/fetch.ipp"
#include "cokafka/testing/handlers/find_coordinator.ipp"
#include "cokafka/testing/handlers/init_producer_id.ipp"
#include "cokafka/testing/handlers/list_offsets.ipp"
#include "cokafka/testing/handlers/metadata.ipp"
#include "cokafka/testing/handlers/produce.ipp"
#include "cokafka/testing/partition_log.ipp"
#include "cokafka/testing/producer_states.ipp"
#include "cokafka/testing/script.ipp"
#include "cokafka/testing/simulated/agenda.ipp"
#include "cokafka/testing/simulated/conversation.ipp"
#include "cokafka/testing/simulated/network.ipp"
#include "cokafka/testing/simulated/network_state.ipp"
#include "cokafka/testing/simulated/pipe.ipp"
#include "cokafka/testing/simulated/simulated_environment.ipp"
#include "cokafka/testing/simulated/simulated_stream.ipp"
#include "cokafka/testing/simulated/trace.ipp"
#include "cokafka/testing/simulation.ipp"
#include "cokafka/testing/version_table.ipp"

#endif

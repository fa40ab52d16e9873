{
  "targets": [
    {
      "target_name": "permafrost",
      "type": "none",
      "actions": [
        {
          "action_name": "build_with_cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["<(PRODUCT_DIR)/permafrost.node"],
          "action": ["node", "scripts/build-native.mjs"]
        }
      ]
    }
  ]
}
